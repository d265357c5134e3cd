"""An app of the tests' own that shortens every wait; see `apps`."""
