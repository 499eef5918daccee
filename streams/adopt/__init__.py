"""Adoption: go on with a partition that is blocked, by a person's word, without losing a record."""
