"""One file a command. `cli` adds them to its app."""
