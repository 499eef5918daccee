"""What the lake proves: coverage, counts, the rules for objects."""
