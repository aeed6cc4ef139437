"""Sound to spectrogram and back, in JAX."""
