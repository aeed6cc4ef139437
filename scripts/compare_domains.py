"""Compares the domains: a page with a table and two pictures. Takes the flags of `dreamsound`, too.

    python scripts/compare_domains.py --input=noise,tests/data --seed=0

Each input dreams towards each class in both domains, by equal steps, and by steps large enough to
take the sound as far as the reference's way took it: what is measured is what would be written, 16
bit and all. Dreams are timed in turns, after all is compiled. Then one input dreams ever longer.
The real clips to compare with are phrases of `gm`; they need its soundfont and its player.
"""

import datetime
import os
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags
from tqdm import tqdm

from dreamsound_jax.audio import files, find
from dreamsound_jax.audio.rendering import render_sound
from dreamsound_jax.cli import main as cli
from dreamsound_jax.cli import parsing as command_line
from dreamsound_jax.dreaming import batch
from dreamsound_jax.networks import loading
from dreamsound_jax.outputs import gallery
from dreamsound_jax.run import sources as clips
from dreamsound_jax.run.options import check
from dreamsound_jax.run.scale import SCALE
from dreamsound_jax.spectral import measures, mel
from dreamsound_jax.system import runtime, storage
from dreamsound_jax.system.errors import nearest_or_fail
from studies.optimizers import real
from studies.optimizers.trace import activations

ROUNDS = 3  # of timing
TRIES = 6  # at the learning rate that moves a sound as far as wanted
LONG = (1, 3, 10, 30, 100)  # steps a level
UNBOUNDED_DB = 1000.0
WAYS = ("mel", "sound", "sound, as far as mel")
MARK = "<!-- what follows is written by scripts/compare_domains.py -->"

_PAGE = flags.DEFINE_string("page", "docs/domains.md", "what is written, and pictures beside it")
_SHOWN = flags.DEFINE_list("shown", ["noise", "ambi_choir", "loop_amen"], "inputs in the picture")
_SHOWN_CLASS = flags.DEFINE_string("shown_class", "organ", "what they dream of there")
_LONG_INPUT = flags.DEFINE_string("long_input", "loop_amen", "the input that dreams ever longer")
_LONG_LAYER = flags.DEFINE_string("long_layer", "relu3_4", "... by this layer, and by the class")


class Dreamed(NamedTuple):
    """What came of one input that dreamed of each class.

    Attributes:
      heard: class probabilities (classes, classes) of the written sounds, wanted class down.
      distance: log-spectral distance to the input in dB, on average.
      sounds: the written sounds, mono at 22,050 Hz.
      seconds: a clip, dream and resynthesis.
    """

    heard: np.ndarray
    distance: float
    sounds: list
    seconds: float

    def right(self, top=1):
        """How many of the written sounds are heard as what was wanted, among the first `top`."""
        ranked = np.argsort(-self.heard, axis=1)[:, :top]
        return sum(wanted in row for wanted, row in enumerate(ranked))


def main():
    options, page = replace(cli.options(), layers_to_use=["output"]), Path(_PAGE.value)
    runtime.prepare(precision=options.precision)
    check(options)
    model = loading.load(options.model, checkpoint=options.checkpoint, dtype=options.precision)
    model.card.class_index(_SHOWN_CLASS.value)
    found, failed = clips.collect(replace(options, domain="sound"), model.card, options.seed or 0)
    if failed:
        return 2
    shown, (long,) = named(found, _SHOWN.value), named(found, [_LONG_INPUT.value])
    real_ones = activations(model, real.phrases(real.COUNT))
    compared = {
        c.name: compare(model, c, options) for c in tqdm(found, desc="inputs", disable=None)
    }
    page.parent.mkdir(parents=True, exist_ok=True)
    storage.write_whole(page.with_suffix(".png"), draw_sounds(model, shown, compared))
    steps = page.with_name(f"{page.stem}_steps.png")
    storage.write_whole(steps, draw_steps(model, long, options))
    storage.write_whole(page, write_page(model, found, compared, real_ones, page).encode())
    return 0


def named(found, names):
    """Those of the inputs that have the names, in the order of the names."""
    by_name = {Path(source.path).stem: source for source in found}
    return [by_name[nearest_or_fail("input", name, tuple(by_name))] for name in names]


def compare(model, source, options):
    """{way: Dreamed} of one input: mel, sound by equal steps, sound as far as mel."""
    mel_options, sound_options = (replace(options, domain=name) for name in ("mel", "sound"))
    for each in (mel_options, sound_options):  # compiles
        dream_all(model, source, each)
    turns = [
        (dream_all(model, source, mel_options), dream_all(model, source, sound_options))
        for _ in range(ROUNDS)
    ]
    seconds = np.median([[one.seconds for one in turn] for turn in turns], axis=0)
    by_mel, by_sound = (one._replace(seconds=s) for one, s in zip(turns[0], seconds))
    as_far = dream_as_far(model, source, sound_options, by_mel.distance)
    return dict(zip(WAYS, (by_mel, by_sound, as_far)))


def dream_as_far(model, source, options, distance):
    """The Dreamed whose learning rate moves the sound nearest to `distance`, found by secants."""
    rates, tried = [options.lr, 1.5 * options.lr], []
    for _ in range(TRIES):
        tried.append(dream_all(model, source, replace(options, lr=rates[len(tried)])))
        if len(tried) == len(rates):
            (x0, x1), (y0, y1) = np.log(rates[-2:]), (one.distance for one in tried[-2:])
            step = (distance - y1) * (x1 - x0) / (y1 - y0) if y1 != y0 else 0
            rates.append(float(np.exp(x1 + np.clip(step, -1, 1))))
    return min(tried, key=lambda one: abs(one.distance - distance))


def dream_all(model, source, options):
    """The Dreamed of one input towards each class."""
    targets = range(len(model.card.classes))
    dreams, sounds, seconds = dream(model, source, targets, options)
    distances = [measures.log_spectral_distance(sound, source.sound) for sound in sounds]
    return Dreamed(
        heard=np.asarray(batch.hear(model, batch.analyse(jnp.asarray(np.stack(sounds))))),
        distance=float(np.mean(distances)),
        sounds=sounds,
        seconds=seconds,
    )


def dream(model, source, targets, options):
    """The `Dreams` of one input, its written sounds as the network hears them, seconds a clip."""
    original = source.original if options.domain == "sound" else None
    wanted = [source._replace(target=target, original=original) for target in targets]
    clock = batch.Stopwatch()
    dreams = batch.dream_batch(model, wanted, options, clock=clock)
    rate, normalise = wanted[0].sample_rate, options.loudness != "none"
    rendered = [
        render_sound(np.asarray(sound).T, sample_rate=rate, normalise=normalise)
        for sound in dreams.finished.sound
    ]
    sounds = [files.to_mono(each.recording, sample_rate=mel.SAMPLE_RATE) for each in rendered]
    return dreams, sounds, (clock.seconds["dream"] + clock.seconds["resynthesis"]) / len(wanted)


def draw_sounds(model, shown, compared):
    """The inputs, and what was written in each domain, towards one class."""
    wanted = model.card.class_index(_SHOWN_CLASS.value)
    hear = lambda sound: np.asarray(batch.analyse(jnp.asarray(sound)[None])[0])  # noqa: E731
    rows = []
    for source in shown:
        row = {source.name[6:]: hear(source.sound)}
        for way, name in (("mel", "domain mel"), ("sound", "domain sound")):
            dreamed = compared[source.name][way]
            chance = dreamed.heard[wanted, wanted]
            row[f"{name}: {_SHOWN_CLASS.value} {chance:.2f}"] = hear(dreamed.sounds[wanted])
        rows.append(row)
    title = f"Written sounds that dreamed of {_SHOWN_CLASS.value}, and how sure the network is"
    return gallery.draw_sounds(title, rows, SCALE)


def draw_steps(model, source, options):
    """What ever more steps do, by a layer and by a class, in both domains and without bounds."""
    ways = {
        "mel": {"domain": "mel"},
        "sound": {"domain": "sound"},
        "sound, unbounded": {"domain": "sound", "gain_range": UNBOUNDED_DB},
    }
    rows = []
    for layer in (_LONG_LAYER.value, "output"):
        curves = {
            way: dream_ever_longer(model, source, layer, replace(options, **how))
            for way, how in ways.items()
        }
        names = (
            "objective, level by level",
            "spectral flatness",
            "level of the quietest tenth of frames (dB)",
        )
        titles = [f"{layer}: {names[0]}", *names[1:]]
        rows.append(
            {t: {way: curve[i] for way, curve in curves.items()} for i, t in enumerate(titles)}
        )
    return gallery.draw_curves(f"{source.name[6:]}, dreaming ever longer", rows, x_label="steps")


def dream_ever_longer(model, source, layer, options):
    """(steps, values) of the objective, the flatness, and the level of the quietest tenth."""
    options = replace(options, layers_to_use=[layer])
    target = model.card.class_index(_SHOWN_CLASS.value)
    sounds, steps = [source.sound], [0]
    for iterations in LONG:
        longer = replace(options, num_iterations=iterations)
        dreams, (sound,), _ = dream(model, source, [target], longer)
        sounds.append(sound)
        steps.append(iterations * options.pyramid_size)
    climb = np.asarray(dreams.climb.objective[0]).ravel()
    flatness = [measures.spectral_flatness(sound) for sound in sounds]
    quiet = [np.percentile(measures.frame_levels_db(sound), 10) for sound in sounds]
    return (1 + np.arange(climb.size), climb), (steps, flatness), (steps, quiet)


def write_page(model, found, compared, real_ones, page):
    """The page: what a person wrote in it, down to `MARK`, and below it what was measured."""
    written = page.read_text().partition(MARK)[0] if page.exists() else "# The two domains\n\n"
    device = jax.devices()[0].device_kind
    lines = [
        f"`{shlex.join(['python', *sys.argv])}`, {datetime.date.today()}, on {device}"
        f" ({os.cpu_count()} cores), JAX {jax.__version__}, model {model.card.name}.",
        "",
        *_table(model, found, compared),
        "",
        *_distances(model, found, compared, real_ones),
        "",
        f"![Written sounds side by side]({page.stem}.png)",
        "",
        f"![Ever longer dreams]({page.stem}_steps.png)",
    ]
    return written + MARK + "\n\n" + "\n".join(lines) + "\n"


def _table(model, found, compared):
    """How many of the classes are heard in what was written, how far it moved, how long it took."""
    classes = len(model.card.classes)
    head = [f"| input | {' | '.join(WAYS)} |", f"|---{'|---' * len(WAYS)}|"]
    rows = [
        f"| {source.name[6:]} | {' | '.join(map(_cell, compared[source.name].values()))} |"
        for source in found
    ]
    recorded = [compared[s.name] for s in found if s.path not in find.GENERATED]
    means = [np.mean([ways[way].right() for ways in recorded]) for way in WAYS]
    mean = f"| *recordings, on average* | {' | '.join(f'{m:.1f}' for m in means)} |"
    note = (
        f"Each cell: of {classes} classes, how many are heard first in the written sound, and "
        "among the first three; the log-spectral distance to the input; seconds a clip."
    )
    return [note, "", *head, *rows, *([mean] if recorded else [])]


def _cell(dreamed):
    right, nearly = dreamed.right(), dreamed.right(top=3)
    return f"{right}, {nearly}; {dreamed.distance:.1f} dB; {dreamed.seconds:.2f} s"


def _distances(model, found, compared, real_ones):
    """Fréchet distances to real clips, of sets: one sound alone has no spread to compare."""
    sets = {"the inputs themselves": [source.sound for source in found]}
    for way in WAYS:
        sets[way] = [sound for ways in compared.values() for sound in ways[way].sounds]
    rows = [
        f"| {name} | {measures.frechet_distance(activations(model, sounds), real_ones):.1f} |"
        for name, sounds in sets.items()
        if len(sounds) > 1
    ]
    head = f"| written sounds | Fréchet distance to {real.COUNT} real phrases |"
    return [head, "|---|---|", *rows]


if __name__ == "__main__":
    command_line.run(main, name="compare_domains", usage=__doc__, stopped="nothing was written")
