"""Compiles programs before they are called, and lets go of them when they are many.

Programs are traced one after the other, in the order in which they will be called, and compiled in
threads meanwhile. With nothing compiled before, `dreamsound --seed=1` took 12.0 s, and 13.0 s
without this; a warm start took the same (2 cores of a shared AMD EPYC, CPU only, 2026-11-26). A
lower optimisation level of LLVM (`xla_backend_optimization_level=1`) saved nothing: 12.2 s. This
has an effect only where programs are kept (see `system/programs.py`); elsewhere JAX compiles them
when they are called.
"""

import contextlib
import importlib
import logging
import threading

import jax
import numpy as np

from dreamsound_jax.domains.domain import Domain
from dreamsound_jax.domains.mel import MelDomain
from dreamsound_jax.domains.sound import SoundDomain
from dreamsound_jax.dreaming.batch import (
    analyse_clips,
    classify,
    draw_rolls,
    is_scaled,
    measure_clips,
    render_clips,
    scale_clips,
)
from dreamsound_jax.dreaming.dream import dream_level_of_clips
from dreamsound_jax.dreaming.keys import draw_keys
from dreamsound_jax.dreaming.ouroboros import begin_clips, close_clips
from dreamsound_jax.dreaming.program import ClipSettings
from dreamsound_jax.networks.loading import Model
from dreamsound_jax.run.batches import stack_settings
from dreamsound_jax.run.plan import Plan
from dreamsound_jax.run.sources import Source
from dreamsound_jax.system.programs import are_kept, count_programs, let_go

log = logging.getLogger(__name__)

# Modules that take a second to import, and are needed only once a clip has been dreamed.
IMPORTED_LATE = ("pyloudnorm", "matplotlib.figure", "matplotlib.backends.backend_agg")


# Clips of a new length need programs of their own, of some 60 MB. When batches of so many kinds
# have been dreamed, all programs are let go. To read those of one kind again from the cache took
# 0.5 s (`--num_iterations=1` by gm, 2 cores of a shared AMD EPYC, CPU only, 2026-11-26).
MOST_KINDS = 8
# From so many lengths on, --lengths=buckets is named.
MANY_LENGTHS = 8


class WarmUp:
    """Compiles the programs of a run ahead, and bounds the memory that they take."""

    def __init__(self):
        """Begins nothing yet."""
        self._begun: set = set()
        self._lengths: set = set()
        self._may_pad = False
        self._most_kinds = MOST_KINDS
        self._imports = False

    def draws(self, batch_size: int, pyramid_size: int) -> None:
        """Compiles what draws random numbers, while the network is read."""
        if not are_kept():
            return
        keys, numbers = draw_keys.compile_ahead(0, 0), np.zeros(batch_size)
        rolls = [keys.rolls] * batch_size
        draw_rolls.compile_ahead(rolls, numbers, numbers.astype(int), size=pyramid_size)

    def expect(self, plan: Plan) -> None:
        """Makes room for the programs of all clips of one length, to which a sweep returns."""
        self._most_kinds = max(MOST_KINDS, len({clip.static for clip in plan.clips}) + 1)
        keeps_lengths = any(clip.ouroboros or clip.is_loop for clip in plan.clips)
        self._may_pad = not (plan.pads_lengths or keeps_lengths)

    def dreams(self, model: Model, sources: list[Source]) -> int | None:
        """Compiles the dreams of a full batch, if they are the first of their kind.

        Of an ouroboros that iterates over layers, only the first round is compiled ahead.

        Returns:
          How many programs there were before; None if these were not the first.
        """
        kind = (len(sources), sources[0].shape, sources[0].plan.static)
        if kind in self._begun:
            return None
        self._count_length(sources[0])
        if len(self._begun) == self._most_kinds:
            let_go()
            self._begun.clear()
        self._begun.add(kind)
        before = count_programs()
        if are_kept():
            _compile_dreams(model, sources)
        if not self._imports:
            # Not sooner: imports hold up tracing, and a warm start took 1.15 times as long.
            # The end of the process waits for it: Python can crash if it ends during an import.
            threading.Thread(target=_import_late, name="imports").start()
            self._imports = True
        return before

    def _count_length(self, source):
        """Names the flag that saves compiling, once, where there are many lengths."""
        self._lengths.add(source.shape)
        if self._may_pad and len(self._lengths) == MANY_LENGTHS:
            self._may_pad = False
            log.info(
                "clips of %d different lengths so far, and each takes time to compile; "
                "--lengths=buckets pads them to at most 8 lengths per octave",
                MANY_LENGTHS,
            )


def _compile_dreams(model, sources):
    plan = sources[0].plan
    clips, mel_db, settings = _shapes(sources)
    if plan.ouroboros is None:
        program = plan.program()
        measure_clips.compile_ahead(
            model.network, clips.spectrogram, clips.spectrogram, settings, program=program
        )
        _compile_levels(model.network, clips, settings, plan.program())
        plans = [source.plan for source in sources]
        if is_scaled([each.distance_db for each in plans], [each.amount for each in plans]):
            size = jax.ShapeDtypeStruct((len(sources),), clips.spectrogram.dtype)
            scale_clips.compile_ahead(clips, clips.spectrogram, size, size)
        render_clips.compile_ahead(clips, clips.spectrogram)
        # What is written is classified clip by clip.
        one = jax.ShapeDtypeStruct((1, *clips.spectrogram.shape[1:]), clips.spectrogram.dtype)
        classify.compile_ahead(model.network, one)
        return
    ends = plan.ouroboros.round_settings
    state = begin_clips.compile_ahead(clips, mel_db, settings.rolls, _keys_of(sources))
    if ends.stabilise:
        settings = settings._replace(habituation=state.habituation)
    _compile_levels(model.network, clips, settings, plan.program())
    close_clips.compile_ahead(state, clips.spectrogram, settings=ends)


def _import_late():
    for name in IMPORTED_LATE:
        # Whoever needs one that cannot be imported finds out why.
        with contextlib.suppress(Exception):
            importlib.import_module(name)


def _compile_levels(network, clips, settings, program):
    reached = None
    for level in range(program.pyramid_size):
        reached, _ = dream_level_of_clips.compile_ahead(
            network, reached, clips, settings, program=program, level=level
        )


def _shapes(sources: list[Source]) -> tuple[Domain, jax.ShapeDtypeStruct, ClipSettings]:
    """Returns the shapes of what `batches` will put on the device for a full batch."""
    first, count = sources[0], len(sources)
    plan, front_end = first.plan, first.plan.card.front_end
    sounds = jax.ShapeDtypeStruct((count, first.sound.size), plan.dtype)
    mel_db = analyse_clips.compile_ahead(sounds, front_end=front_end)
    mask = None if first.mask is None else mel_db
    if not plan.keeps_original:
        clips = MelDomain(mel_db, sounds, _keys_of(sources), front_end, mask)
    else:
        samples, channels = first.recording.channels.shape
        originals = jax.ShapeDtypeStruct((count, channels, samples), plan.dtype)
        gain_range = jax.ShapeDtypeStruct((count,), plan.dtype)
        rate = first.sample_rate
        clips = SoundDomain(
            *(mel_db, sounds, originals, gain_range, front_end, rate, mask, first.heard_channel)
        )
    rolls = jax.ShapeDtypeStruct((count, plan.pyramid_size), np.int32)
    return clips, mel_db, stack_settings(sources, rolls)


def _keys_of(sources):
    key = sources[0].keys.rolls
    return jax.ShapeDtypeStruct((len(sources),), key.dtype)
