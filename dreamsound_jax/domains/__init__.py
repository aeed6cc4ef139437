"""What a dream changes: the spectrogram, or a gain on the sound."""
