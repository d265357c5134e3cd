"""GET /metrics: what was counted, and what is looked up when it is asked for."""
