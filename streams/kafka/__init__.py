"""Kafka outside the worker: clients, scans, status, dead letters, produce."""
