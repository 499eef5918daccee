"""The status page, the probes and the metrics endpoint."""
