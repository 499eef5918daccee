"""Hostile records by the million, from their value to Parquet, each with a bound on its time."""
