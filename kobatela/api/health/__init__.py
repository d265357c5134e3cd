"""Whether the installation works, told to probes, to anyone, and in more detail to staff."""
