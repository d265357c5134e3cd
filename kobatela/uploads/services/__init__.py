"""Use cases of the files that callers send."""
