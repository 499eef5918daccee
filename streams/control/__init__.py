"""Requests on the control topic, and what workers answer."""
