"""Reads PyTorch weight files and writes checkpoints."""
