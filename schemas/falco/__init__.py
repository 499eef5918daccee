"""What Falco writes: a record's bytes → an alert, its time and its identity."""
