"""Studies of optimizers, of the two domains, and of the ouroboros, with their reports."""
