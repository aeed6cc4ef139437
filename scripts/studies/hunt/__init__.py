"""Feeds mutated files to everything that reads files, and counts what happens."""
