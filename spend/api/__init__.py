"""Controlled spending over HTTP."""
