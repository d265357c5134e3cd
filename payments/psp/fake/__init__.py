"""A small PSP of our own for development and tests: its own process, database and books."""
