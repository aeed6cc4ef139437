"""The algorithm: pyramid, gradient ascent, optimizers, ouroboros."""
