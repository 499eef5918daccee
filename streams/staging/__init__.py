"""Findings that are not in the lake yet. The only DuckDB."""
