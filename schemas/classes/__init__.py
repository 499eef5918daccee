"""The OCSF classes that a finding may have, and the envelope they share."""
