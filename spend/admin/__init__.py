"""Controlled spending in the console, one module per resource."""
