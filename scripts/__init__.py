"""Programs for people who work on this checkout; they may import everything."""
