"""How different a dream is from its input: which settings a first dream should have."""
