"""Dreams, one a clip: a batch from its sounds to its files."""

import functools
from dataclasses import replace

import jax
import numpy as np

from dreamsound_jax.audio import files
from dreamsound_jax.audio.rendering import render_sound
from dreamsound_jax.dreaming import ascent
from dreamsound_jax.dreaming.batch import Stopwatch, analyse, dream_batch, filled, hear
from dreamsound_jax.outputs.clip_files import (
    ClassProbabilities,
    ClipFiles,
    ClipRequest,
    title_clip,
)
from dreamsound_jax.outputs.dream_picture import DreamPicture, draw_dream
from dreamsound_jax.outputs.results import DreamResult
from dreamsound_jax.run.finish import Dreamed
from dreamsound_jax.run.scale import SCALE
from dreamsound_jax.spectral import mel
from dreamsound_jax.system.errors import UserError


def dream(model, batch, options, *, folder, tell):
    """Dreams one batch; returns it as a `finish.Dreamed`.

    `tell` is called with a few words on how far it is.
    """
    del folder
    clock, begun = Stopwatch(), []

    def after_level(climb):
        # The next level is traced, and compiled, while this one is dreamed.
        jax.block_until_ready(begun[-1:])
        begun.append(climb)
        tell(f"level {len(begun)} of {options.pyramid_size}")

    full = filled(batch, options.batch_size)
    dreams = dream_batch(model, full, options, clock=clock, after_level=after_level)
    dreams = jax.tree.map(np.asarray, dreams)
    makers = []
    for row, source in enumerate(batch):
        of_one = jax.tree.map(lambda array, row=row: array[row], dreams)
        own = replace(options, **source.changes)
        makers.append(functools.partial(_clip, model, source, of_one, clock.seconds, own))
    return Dreamed(makers, close=lambda: None, busy=sum(clock.seconds.values()))


def _clip(model, source, dreams, seconds, options):
    """The `ClipFiles` of one clip's `Dreams`; UserError if it stopped."""
    stopped = ascent.why_stopped(dreams.climb, options.layers_to_use)
    if stopped:
        raise UserError(f"{stopped}; nothing was written for this clip")
    dreams = _without_padding(dreams, source.kept)
    sound = render_sound(
        dreams.finished.sound.T,
        sample_rate=source.sample_rate,
        normalise=options.loudness != "none",
    )
    mono = files.to_mono(sound.recording, sample_rate=mel.SAMPLE_RATE)
    heard_again = hear(model, analyse(mono[None].astype(options.dtype())))
    arrays = {"mel_db": np.stack([dreams.before_db, dreams.finished.mel_db])}
    if options.domain == "sound":
        arrays["gain_db"] = dreams.finished.change_db
    picture = _picture(source, dreams, mono, options, model.card) if options.plots else None
    return ClipFiles(
        request=request_of(source, options, model.card),
        sound=sound,
        arrays=arrays,
        picture=picture and draw_dream(picture),
        result=DreamResult(objective=dreams.climb.objective),
        probabilities=named_probabilities(model.card, (*dreams.heard, np.asarray(heard_again)[0])),
        timings=seconds,
    )


def request_of(source, options, card):
    """The `ClipRequest` of a source."""
    return ClipRequest(
        number=source.number,
        name=source.name,
        input=source.path,
        seed=options.seed,
        model=card.name,
        domain=options.domain,
        layers=tuple(options.layers_to_use),
        target_class=None if source.target is None else card.classes[source.target],
        swept=source.changes,
    )


def named_probabilities(card, heard):
    """The `ClassProbabilities` of three arrays (classes,): before, after, of the written sound."""
    before, after, written = (dict(zip(card.classes, each)) for each in heard)
    return ClassProbabilities(before=before, after=after, written_sound=written)


def title_of(source, options, card, kind):
    """What the picture of a clip is called; `kind` is Dream or Ouroboros."""
    request = request_of(source, options, card)
    target = request.target_class
    return title_clip(request, kind=kind, aim=target and f"{options.class_objective} {target}")


def _without_padding(dreams, kept):
    """The `Dreams` of a clip, cut to the share `kept` of its sound and frames."""
    if kept == 1:
        return dreams
    cut = lambda array: array[..., : max(1, round(kept * array.shape[-1]))]  # noqa: E731
    finished = dreams.finished._replace(**{n: cut(a) for n, a in dreams.finished._asdict().items()})
    return dreams._replace(before_db=cut(dreams.before_db), finished=finished)


def _picture(source, dreams, mono, options, card):
    target = None if source.target is None else card.classes[source.target]
    return DreamPicture(
        title=title_of(source, options, card, "Dream"),
        scale=SCALE,
        before_db=dreams.before_db,
        after_db=dreams.finished.mel_db,
        change_db=dreams.finished.change_db,
        change_label="Gain on the sound" if options.domain == "sound" else "Change",
        before_sound=source.sound[: round(source.kept * source.sound.size)],
        after_sound=mono,
        sample_rate=mel.SAMPLE_RATE,
        objective=dreams.climb.objective,
        objective_label=_objective_label(options, target),
        level_shapes=options.settings().level_shapes(dreams.before_db.shape),
    )


def _objective_label(options, target):
    if len(options.layers_to_use) > 1:
        return "mean response of the layers"
    if target is None:
        return f"mean squared activation of {options.layers_to_use[0]}"
    sign = "" if options.class_objective == "towards" else "minus "
    return f"{sign}log probability of {target}"
