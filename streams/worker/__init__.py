"""From a batch's arrival to its commit: transport → ledger → shipping."""
