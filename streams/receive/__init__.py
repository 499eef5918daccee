"""Falco's alerts over HTTP into Kafka, answered 200 once Kafka has them: `falcolake receive`."""
