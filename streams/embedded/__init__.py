"""Servers for development: a Kafka broker, an S3 server, the stack of both, the demo."""
