"""Named benchmarks: `python -m bench NAME [--json] [--data DIR]`."""
