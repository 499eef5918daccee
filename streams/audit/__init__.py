"""Checks of the lake: coverage, counts, and the rules for objects."""
