"""The values of the flow, and what decides on them. Pure."""
