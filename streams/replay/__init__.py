"""Windows rebuilt from Kafka: the plan and its execution."""
