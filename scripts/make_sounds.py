"""Makes the sounds of docs/sounds again, each from its flag file, and the page that plays them.

    python scripts/make_sounds.py
    python scripts/make_sounds.py --only=drums,choir_sitar

Each NAME.flags holds the flags of a dream, and in its comment a title and what to listen for. The
script runs dreamsound with them in the root of the clone, and writes NAME.ogg, NAME.input.ogg and
NAME.jpg beside them. The page, README.md, has all that are there.
"""

import tempfile
from pathlib import Path

from absl import flags
from PIL import Image

from dreamsound_jax.cli import parsing as command_line
from dreamsound_jax.system.errors import nearest_or_fail
from studies.command import run_dreamsound
from studies.sounds import describe, list_sounds, write_page

FOLDER = Path("docs/sounds")
FORMAT = ("--format=ogg", "--noarrays")
# Wide enough to read the labels; as a PNG file, one picture would be as large as all sounds.
WIDTH = 1000

_ONLY = flags.DEFINE_list("only", [], "names of the sounds that are made; all by default")


def main():
    known = list_sounds(FOLDER)
    for name in _ONLY.value or known:
        make_sound(FOLDER / f"{nearest_or_fail('sound', name, known)}.flags")
        print(describe(FOLDER, name))
    write_page(FOLDER)


def make_sound(flag_file: Path) -> None:
    """Dreams by a flag file; writes the dream, a picture, and the input if it is a file apart."""
    with tempfile.TemporaryDirectory() as folder:
        run_dreamsound(f"--flagfile={flag_file}", *FORMAT, f"--output_dir={folder}/run")
        (picture,) = Path(folder).glob("run/0*[!l].png")
        made = picture.with_suffix("")
        for suffix in (".ogg", ".input.ogg"):
            if (sound := made.with_name(made.name + suffix)).exists():
                flag_file.with_suffix(suffix).write_bytes(sound.read_bytes())
        _write_picture(picture, flag_file.with_suffix(".jpg"))


def _write_picture(source, target):
    with Image.open(source) as picture:
        height = round(picture.height * WIDTH / picture.width)
        smaller = picture.convert("RGB").resize((WIDTH, height), Image.Resampling.LANCZOS)
    smaller.save(target, quality=80, optimize=True)


if __name__ == "__main__":
    command_line.run(
        main,
        name="make_sounds",
        usage=__doc__,
        stopped="the sounds that are made are kept",
    )
