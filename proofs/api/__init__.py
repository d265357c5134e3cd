"""The HTTP side of proofs."""
