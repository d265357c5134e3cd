"""Rules on evidence as pure functions: facts in, findings out; no clock, no database."""
