"""Experiments and their reports: which optimizer, which domain, which ouroboros."""
