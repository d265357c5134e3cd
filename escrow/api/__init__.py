"""The escrow app over HTTP."""
