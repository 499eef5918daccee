"""The values of the flow, and the rules that decide about them. Pure."""
