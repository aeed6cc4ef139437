"""DreamSound JAX: DeepDream for sound."""
