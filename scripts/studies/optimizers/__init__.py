"""Optimizers compared: the dreams of many are measured, put to the test, and shown."""
