"""Use cases of the escrow app: one public function each."""
