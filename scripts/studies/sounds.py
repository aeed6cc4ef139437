"""The page that plays the sounds of a folder, each with its flags and what to listen for."""

import shlex
from pathlib import Path

HEAD = """# Sounds to listen to

Each was made by an included network and by the command beside it. A browser plays the links; on
GitHub, "View raw" does. `python scripts/make_sounds.py` makes all of them again.
An ouroboros begins with its input. There are videos, too: [a dream](../dream.mp4) on an amen
break, and [an ouroboros](../ouroboros.mp4).
"""


def list_sounds(folder: Path) -> list[str]:
    """Returns the names of the flag files in a folder."""
    return sorted(path.stem for path in folder.glob("*.flags"))


def read_flags(path: Path) -> tuple[str, str, list[str]]:
    """Reads a flag file: (the first line of its comment, the words below it, its flags)."""
    lines = path.read_text(encoding="utf-8").splitlines()
    title, *words = (line.lstrip("# ") for line in lines if line.startswith("#"))
    return title, " ".join(filter(None, words)), [line for line in lines if line.startswith("--")]


def describe(folder: Path, name: str) -> str:
    """Returns what is there of a sound, and how large it is."""
    sizes = [f"{path.name} {path.stat().st_size / 1000:.0f} kB" for path in _files_of(folder, name)]
    return ", ".join(sizes)


def write_page(folder: Path) -> None:
    """Writes README.md with a section for each sound."""
    sections = [_section(folder, name) for name in list_sounds(folder)]
    (folder / "README.md").write_text("\n".join([HEAD, *sections]), encoding="utf-8")


def _files_of(folder, name):
    return [path for path in sorted(folder.glob(f"{name}.*")) if path.suffix != ".flags"]


def _section(folder, name):
    title, words, flags = read_flags(folder / f"{name}.flags")
    before = f"{name}.input.ogg"
    links = [f"[before]({before})"] if (folder / before).exists() else []
    links.append(f"[{'after' if links else 'listen'}]({name}.ogg)")
    return f"""## {title}

{words}

{" and ".join(links)}: `{shlex.join(["dreamsound", *flags])}`

![Spectrograms: {title}]({name}.jpg)
"""
