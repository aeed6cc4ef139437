"""DreamSound JAX: DeepDream for sound."""

__version__ = "0.1.0"
