"""Pulling plugs: whatever dies, at any moment, the money stays right."""
