"""Documents: bytes → words on pages → fields. Pure functions, run in children with limits."""
