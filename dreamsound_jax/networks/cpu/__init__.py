"""Fast convolutions for XLA:CPU; no other device runs them."""
