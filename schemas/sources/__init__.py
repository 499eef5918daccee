"""Falco's fields → OCSF objects: the draft, the scene, and one file per source."""
