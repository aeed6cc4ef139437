"""Kills commands at random moments, and compares how they end with how they end undisturbed."""
