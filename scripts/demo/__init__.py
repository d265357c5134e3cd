"""`python -m scripts.demo`: the main journey, played through the public API."""
