"""A record's bytes → an OCSF finding and its columns. Pure: no I/O, clock or environment."""
