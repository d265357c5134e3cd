"""Bytes in, facts out. Files are parsed in child processes with limits; see `pool`."""
