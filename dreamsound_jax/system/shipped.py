"""Finds what comes with the package: the folders `configs` and `checkpoints`, and their names."""

from pathlib import Path


def shipped(folder: str) -> Path:
    """Returns a shipped folder: inside an installed package, or beside it in a clone."""
    package = Path(__file__).parent.parent
    inside = package / folder
    return inside if inside.is_dir() else package.parent / folder


def model_names() -> list[str]:
    """Returns the names that `--model` takes: every folder of `checkpoints` with a card."""
    return sorted(card.parent.name for card in shipped("checkpoints").glob("*/card.json"))


def preset_names() -> list[str]:
    """Returns the names that `--preset` takes: every flag file of `configs`."""
    return sorted(path.stem for path in shipped("configs").glob("*.flags"))
