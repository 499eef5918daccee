"""The settings model, and where the values come from."""
