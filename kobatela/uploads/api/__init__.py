"""The HTTP side of uploads."""
