"""Makes a listening test: a page on which people say what they hear in dreams.

    python scripts/listening_test.py --output_dir=listening

The page has dreams towards a few classes, the same inputs undreamed, and real phrases, all of one
length, loudness and format, under names that tell nothing. A listener chooses for each what it
sounds like, and saves a file of answers. Hand out OUTPUT_DIR/page/index.html alone: it needs no
server and no network. Keep OUTPUT_DIR/key.json, which says what the clips are. Then:

    python scripts/score_listening_test.py --answers answers/*.json --key=listening/key.json
"""

import logging
from pathlib import Path

from absl import flags

from dreamsound_jax.cli import parsing as command_line
from dreamsound_jax.system import runtime
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.system.storage import write_whole
from studies.heard.settings import parse_settings
from studies.listening import inputs, phrases
from studies.listening.arrange import arrange
from studies.listening.key import write_key
from studies.listening.page import make_page
from studies.paths import define_path, define_paths
from studies.report import describe_run

_OUTPUT_DIR = define_path("output_dir", "outputs/listening", "the folder of page, key and dreams")
_CLASSES = flags.DEFINE_list(
    "classes",
    ["pipe", "guitar", "chromatic_percussion", "organ"],
    "the classes that are dreamed towards, which are the choices of the page",
)
_INPUT = define_paths(
    "input", [], "the sounds that are dreamed on; by default five, of which two are synthesised"
)
_PRESET = flags.DEFINE_string("preset", "heard_as_flute", "the preset of all dreams")
_SET = flags.DEFINE_multi_string(
    "set", [], "an option of dreamsound and its value, such as lr=0.02; once for each option"
)
_SECONDS = flags.DEFINE_float("seconds", 2.3, "the length of each clip", 0.5, 30)
_PHRASES = define_path(
    "phrases",
    None,
    "a folder of real sounds, with a folder of each class in it; by default they are rendered from "
    "--soundfont",
)
_PHRASES_PER_CLASS = flags.DEFINE_integer(
    "phrases_per_class", 2, "how many real phrases there are of each class; 0 leaves them out", 0
)
_SOUNDFONT = define_path("soundfont", phrases.SOUNDFONT, "what plays the real phrases")
_REPEATS = flags.DEFINE_integer(
    "repeats",
    4,
    "how many clips are heard twice, to see whether listeners agree with themselves",
    0,
)
_SEND_TO = flags.DEFINE_string("send_to", None, "where listeners send their answers")
_SEED = flags.DEFINE_integer("seed", 0, "of dreams, phrases, names and order", 0, 2**31 - 1)

log = logging.getLogger("dreamsound_jax")


def main():
    runtime.log_plainly()
    settings = parse_settings([f"preset={_PRESET.value}", *_SET.value])
    folder, classes = Path(_OUTPUT_DIR.value), inputs.choose_classes(_CLASSES.value, settings)
    common = {"seconds": _SECONDS.value, "seed": _SEED.value}
    real = make_phrases(classes, common)  # What is wrong is said before the long work.
    given = inputs.read_inputs(_INPUT.value, **common)
    dreams = inputs.dream_all(given, classes, settings, folder, seed=_SEED.value)
    clips = [*dreams, *inputs.list_controls(given), *real]
    test = arrange(clips, classes, repeats=_REPEATS.value, seed=_SEED.value, facts=describe_run())
    write_key(folder / "key.json", test.key)
    page = folder / "page" / "index.html"
    page.parent.mkdir(exist_ok=True)
    write_whole(page, make_page(test, seconds=_SECONDS.value, send_to=_SEND_TO.value).encode())
    print(
        f"{page}: {len(dreams)} dreams, {len(given)} undreamed inputs, {len(real)} real phrases; "
        f"hand out this file alone. {folder / 'key.json'}: what they are; keep it to yourself."
    )


def make_phrases(classes, common):
    """Reads or renders the real phrases; without a soundfont there are none."""
    count = _PHRASES_PER_CLASS.value
    if not count:
        return []
    if _PHRASES.value:
        return phrases.read_phrases(Path(_PHRASES.value), classes, count, **common)
    try:
        return phrases.render_phrases(classes, count, soundfont=_SOUNDFONT.value, **common)
    except UserError as error:
        log.warning(
            "there are no real phrases: %s. For phrases, give --phrases=FOLDER, with a folder of "
            "sounds for each class, or, for families of General MIDI, install the soundfont %s "
            "(Debian: timgm6mb-soundfont) and its player (pip install --no-deps tinysoundfont)",
            error,
            phrases.SOUNDFONT,
        )
        return []


if __name__ == "__main__":
    command_line.run(main, name="listening_test", usage=__doc__, stopped="what was dreamed is kept")
