"""Sound files, generated sounds and loudness, on the host."""
