"""Checks of everything a worker needs, with the remedies."""
