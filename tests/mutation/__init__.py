"""Proof that the tests notice a broken protocol or mapping."""
