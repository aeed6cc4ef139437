"""Trains classifiers of mel spectrograms."""
