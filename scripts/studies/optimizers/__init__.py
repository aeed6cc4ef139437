"""The study that compares optimizers, see docs/optimizers.md."""
