"""What only a real browser can show; skipped, and said so, where there is none."""
