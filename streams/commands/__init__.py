"""The commands, one file each. `cli` adds them to its app."""
