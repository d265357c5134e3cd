"""What may be done with controlled spending, one public function per use case."""
