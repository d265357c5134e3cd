"""Helpers that every floor uses. Nothing here has a model or knows HTTP."""
