"""Finds the folders that come with the package: `configs` and `checkpoints`."""

from pathlib import Path


def shipped(folder: str) -> Path:
    """Returns a shipped folder: inside an installed package, or beside it in a clone."""
    package = Path(__file__).parent.parent
    inside = package / folder
    return inside if inside.is_dir() else package.parent / folder
