"""PyTorch files in, checkpoints out."""
