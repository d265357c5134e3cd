"""How the console writes moments."""
