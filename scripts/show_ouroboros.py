"""Shows what `--stabilise` does: a page with tables and a picture. Uses the real command.

    python scripts/show_ouroboros.py

Inputs dream of themselves for 100 rounds, by layers shallow and deep and by `iterate`, in both
domains, with the cure and without. The overcooked index comes from the command; what else is told
of a round is measured on the sound that was written. The index itself is put to the test first: on
sounds that were changed in harmless ways, and on sounds that were spoiled.

The runs lie in --work_dir; a script that was killed goes on with them.
"""

import datetime
import itertools
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
import soundfile
from absl import flags
from tqdm import tqdm

from dreamsound_jax.audio import files, find
from dreamsound_jax.cli import parsing as command_line
from dreamsound_jax.dreaming import overcooked
from dreamsound_jax.outputs.gallery import draw_curves
from dreamsound_jax.spectral import measures, mel, transforms
from dreamsound_jax.system import storage
from dreamsound_jax.system.errors import UserError

RATE = mel.SAMPLE_RATE
DOMAINS, CURES = ("sound", "mel"), ("--stabilise", "--nostabilise")
MARK = "<!-- what follows is written by scripts/show_ouroboros.py -->"
REAL = [f"tests/data/{name}.flac" for name in ("ambi_choir", "loop_amen", "loop_mehackit1")]

_INPUT = flags.DEFINE_list("input", ["noise", "sine", *REAL], "what dreams")
_SOUNDS = flags.DEFINE_string("sounds", "tests/data/*.flac", "what the index is put to the test on")
_LAYERS = flags.DEFINE_list(
    "layers", ["relu2_2", "relu3_4", "relu5_4", "iterate"], "by which layers"
)
_SHOWN = flags.DEFINE_string("shown", "relu3_4", "the layer in the picture")
_LENGTH = flags.DEFINE_integer("ouroboros_length", 100, "how many rounds", 2)
_WORK_DIR = flags.DEFINE_string("work_dir", "outputs/show_ouroboros", "where the runs lie")
_PAGE = flags.DEFINE_string("page", "docs/ouroboros.md", "the page; its picture lies beside it")


class Course(NamedTuple):
    """One ouroboros; arrays (rounds,), but `silent` and `high` (rounds + 1,), with the input's."""

    index: np.ndarray
    moved: np.ndarray
    silent: np.ndarray
    high: np.ndarray


def main():
    page = Path(_PAGE.value)
    harmless, spoiled = judge(find.find_inputs([_SOUNDS.value])[0])
    runs = list(itertools.product(DOMAINS, _LAYERS.value, CURES))
    courses = {run: dream(*run) for run in tqdm(runs, desc="runs", disable=None)}
    page.parent.mkdir(parents=True, exist_ok=True)
    storage.write_whole(page.with_suffix(".png"), draw(courses))
    storage.write_whole(page, write_page(page, harmless, spoiled, courses).encode())


def dream(domain, layer, cure):
    """{input: `Course`} of one run of `dreamsound`, unless it was done before."""
    folder = Path(_WORK_DIR.value) / f"{domain}-{layer}-{cure.strip('-')}"
    command = [sys.executable, "-m", "dreamsound_jax", f"--output_dir={folder}"]
    command += ["--create_ouroboros", f"--ouroboros_length={_LENGTH.value}", "--seed=0", cure]
    command += [
        f"--input={','.join(_INPUT.value)}",
        f"--domain={domain}",
        f"--layers_to_use={layer}",
    ]
    command += ["--nocrossfade", "--loudness=none"]
    if len(list(folder.glob("0*.json"))) < len(_INPUT.value):
        run = subprocess.run(command, check=False, capture_output=True, text=True)
        if run.returncode:
            raise UserError(f"{shlex.join(command)} failed: {run.stderr.strip()}")
    return {path.stem[6:]: course(path) for path in sorted(folder.glob("0*.json"))}


def course(path):
    """What happened, from the .json and the .wav, in which the rounds lie end to end."""
    rounds = json.loads(path.read_text())["rounds"]
    channels, rate = soundfile.read(path.with_suffix(".wav"), dtype="float32", always_2d=True)
    clips = np.split(channels, len(rounds) + 1)
    sounds = [files.to_mono(files.Recording(clip, rate), sample_rate=RATE) for clip in clips]
    return Course(
        index=np.array([each["overcooked_db"] for each in rounds]),
        moved=np.array([each["moved_db"] for each in rounds]),
        silent=np.array([measures.silent_share(sound) for sound in sounds]),
        high=np.array([measures.high_share(sound) for sound in sounds]),
    )


def judge(paths):
    """({name: indices of sounds changed in a harmless way}, the same of spoiled ones), in dB."""
    harmless, spoiled = {}, {}
    for path in paths:
        sound = files.read_sound(path, sample_rate=RATE)
        for found, changes in ((harmless, HARMLESS), (spoiled, SPOILED)):
            for name, change in changes.items():
                pair = (_levels(np.float32(change(sound))), _levels(sound))
                found.setdefault(name, []).append(float(overcooked.index(*pair)))
    return harmless, spoiled


def _levels(sound):
    return mel.sound_to_mel_db(jax.numpy.asarray(sound))


def _hiss(sound):
    noise = np.random.default_rng(0).normal(size=sound.size)
    return sound + noise * np.sqrt(np.mean(sound**2))


def _howl(sound):
    """A whistle at 7 kHz, and its beats, as loud as the sound."""
    times = np.arange(sound.size) / RATE
    whistle = sum(np.sin(2 * np.pi * hz * times) for hz in (6900, 7000, 7110))
    return sound + whistle * np.sqrt(np.mean(sound**2) / np.mean(whistle**2))


def _drained(sound):
    """Only the loudest fifth of the moments is left."""
    level = np.convolve(sound**2, np.ones(mel.N_FFT) / mel.N_FFT, "same")
    return np.where(level > np.quantile(level, 0.8), sound, 0)


def _tremolo(sound):
    return sound * (1 + 0.3 * np.sin(2 * np.pi * 5 / RATE * np.arange(sound.size)))


def _slower(sound):
    return transforms.apply(
        sound, (("time_stretch", 0.9),), sample_rate=RATE, samples=(sound.size, sound.size)
    )


HARMLESS = {
    "half a turn in time": lambda sound: np.roll(sound, sound.size // 2),
    "backwards": lambda sound: sound[::-1],
    "3 dB quieter": lambda sound: sound * 10 ** (-3 / 20),
    "tremolo": _tremolo,
    "slower by a tenth": _slower,
}
SPOILED = {
    "hiss as loud as the sound": _hiss,
    "30 dB louder, and clipped": lambda sound: np.clip(sound * 10**1.5, -1, 1) * 4,
    "howl at 7 kHz as loud as the sound": _howl,
    "only the loudest fifth of the moments": _drained,
    "bits lost: 4 levels": lambda sound: np.round(sound * 2) / 2,
}


def draw(courses):
    """The index over rounds, with and without the cure: a row a domain, a panel an input."""
    names, numbers = list(courses[next(iter(courses))]), 1 + np.arange(_LENGTH.value)
    rows = [
        {
            f"{name}, {domain}": {
                words: (numbers, courses[domain, _SHOWN.value, cure][name].index)
                for words, cure in (("with the cure", CURES[0]), ("without", CURES[1]))
            }
            for name in names
        }
        for domain in DOMAINS
    ]
    title = f"Overcooked index (dB) of ouroboroses by {_SHOWN.value}, with --stabilise and without"
    return draw_curves(title, rows, x_label="round", from_zero=True)


def write_page(page, harmless, spoiled, courses):
    """The page: what a person wrote in it, down to `MARK`, and below it what was measured."""
    written = page.read_text().partition(MARK)[0] if page.exists() else "# The ouroboros\n\n"
    device = jax.devices()[0].device_kind
    lines = [
        f"`{shlex.join(['python', *sys.argv])}`, {datetime.date.today()}, on {device}"
        f" ({os.cpu_count()} cores), JAX {jax.__version__}.",
        "",
        *_judgement(harmless, spoiled),
        "",
        *_worst(courses),
        "",
        f"![The index over rounds]({page.stem}.png)",
        "",
        *_each(courses),
    ]
    return written + MARK + "\n\n" + "\n".join(lines) + "\n"


def _judgement(harmless, spoiled):
    rows = [
        f"| {kind} | {name} | {min(found):.1f} to {max(found):.1f} |"
        for kind, each in (("harmless", harmless), ("spoiled", spoiled))
        for name, found in each.items()
    ]
    head = "| | what was done to each recording | overcooked index (dB) |"
    margins = np.min([*spoiled.values()], axis=0) - np.max([*harmless.values()], axis=0)
    margin = (
        f"The mildest spoiling of a recording has an index {margins.min():.1f} to "
        f"{margins.max():.1f} dB above the hardest of its harmless changes."
    )
    return [head, "|---|---|---|", *rows, "", margin]


def _worst(courses):
    """For each run, the input that fared worst."""
    head = (
        "| domain | layers | | highest index, over round 1's | change a round at the end (dB) | "
        "silent frames at the end | energy above 6 kHz at the end, over the input's |"
    )
    rows = []
    for (domain, layer, cure), of_inputs in courses.items():
        all_of = of_inputs.values()
        rows.append(
            f"| {domain} | {layer} | `{cure}` "
            f"| {max(c.index.max() / c.index[0] for c in all_of):.2f} "
            f"| {min(np.median(c.moved[-10:]) for c in all_of):.2f} "
            f"| {max(c.silent[-1] for c in all_of):.0%} "
            f"| {max(c.high[-1] - c.high[0] for c in all_of):+.0%} |"
        )
    return ["Of the inputs, the one that fared worst:", "", head, "|---" * 7 + "|", *rows]


def _each(courses):
    """The index of each ouroboros at some rounds."""
    shown = [number for number in (1, 2, 5, 10, 20, 50, 100) if number <= _LENGTH.value]
    head = f"| domain | layers | | input | {' | '.join(f'round {n}' for n in shown)} |"
    rows = [
        f"| {domain} | {layer} | `{cure}` | {name} | "
        + " | ".join(f"{found.index[number - 1]:.1f}" for number in shown)
        + " |"
        for (domain, layer, cure), of_inputs in courses.items()
        for name, found in of_inputs.items()
    ]
    return ["The index (dB) of each:", "", head, "|---" * (4 + len(shown)) + "|", *rows]


if __name__ == "__main__":
    command_line.run(main, name="show_ouroboros", usage=__doc__, stopped="its runs are kept")
