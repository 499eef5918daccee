"""Pure: a record's bytes → an OCSF finding and its columns. No I/O, no clock, no environment."""
