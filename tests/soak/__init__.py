"""The soak: hours of random faults, then the proof. `make soak MINUTES=30 [SEED=n]`."""
