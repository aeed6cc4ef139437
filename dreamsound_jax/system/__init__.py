"""Devices, the compilation cache, storage and errors."""
