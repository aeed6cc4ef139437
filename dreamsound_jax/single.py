"""Dreams, one a clip: a batch from its sounds to its files."""

import functools
import logging

import jax
import numpy as np

from dreamsound_jax import ascent, audio, inputs, mel, outputs, report
from dreamsound_jax.batch import Stopwatch, analyse, dream_batch, filled, hear
from dreamsound_jax.errors import UserError

log = logging.getLogger(__name__)


def passes(options):
    """How far the progress bar goes for a clip: its levels, and the writing."""
    return options.pyramid_size + 1


def dream_and_write(model, batch, options, *, folder, bar):
    """Dreams one batch and writes its clips; returns how many failed."""
    clock = Stopwatch()

    def advance(climb):
        jax.block_until_ready(climb)
        bar.update(len(batch))

    full = filled(batch, options.batch_size)
    dreams = dream_batch(model, full, options, clock=clock, after_level=advance)
    dreams = jax.tree.map(np.asarray, dreams)
    wavs = _encode(dreams, options, sample_rate=batch[0].sample_rate)
    written = np.stack([inputs.to_mono(audio.decode(w), sample_rate=mel.SAMPLE_RATE) for w in wavs])
    heard = clock("written", hear(model, analyse(written.astype(options.dtype()))))
    failed = 0
    for row, source in enumerate(batch):
        of_one = functools.partial(jax.tree.map, lambda array, row=row: array[row])
        try:
            clip = _clip(source, of_one(dreams), wavs[row], heard[row], clock, options, model.card)
            outputs.write_clip(folder, clip, options=options, card=model.card)
        except UserError as error:
            log.error("%s: %s", source.name, error)
            failed += 1
        bar.update()
    return failed


def _encode(dreams, options, *, sample_rate):
    """The sound files, as bytes. A clip that stopped, which may not be finite, gets silence."""
    stopped = (dreams.climb.fault != ascent.HEALTHY).any((1, 2))
    sounds = np.where(stopped[:, None, None], 0, dreams.finished.sound)
    encode = functools.partial(outputs.encode, sample_rate=sample_rate, loudness=options.loudness)
    return [encode(sound.T) for sound in sounds]


def _clip(source, dreams, wav, heard_again, clock, options, card):
    """The `outputs.Clip` of one clip's `Dreams`; UserError if it stopped."""
    stopped = ascent.why_stopped(dreams.climb, options.layers_to_use)
    if stopped:
        raise UserError(f"{stopped}; nothing was written for this clip")
    objective, finished = dreams.climb.objective, dreams.finished
    arrays = {"mel_db": np.stack([dreams.before_db, finished.mel_db])}
    if options.domain == "sound":
        arrays["gain_db"] = finished.change_db
    return outputs.Clip(
        source=source,
        wav=wav,
        arrays=arrays,
        picture=lambda written: _picture(source, dreams, written, options, card),
        facts={
            "objective": {"first": float(objective[-1, 0]), "last": float(objective[-1, -1])},
            "objective_by_level": objective.tolist(),
        },
        heard=(*dreams.heard, heard_again),
        seconds=clock.seconds,
    )


def _picture(source, dreams, written, options, card):
    return report.picture(
        title=outputs.title(source, options, card),
        before_db=dreams.before_db,
        after_db=dreams.finished.mel_db,
        change_db=dreams.finished.change_db,
        change_name="Gain on the sound" if options.domain == "sound" else "Change",
        before_sound=source.sound,
        after_sound=inputs.to_mono(written, sample_rate=mel.SAMPLE_RATE),
        objective=dreams.climb.objective,
        objective_label=_objective_label(options, outputs.target_name(source, card)),
        level_shapes=options.settings().level_shapes(dreams.before_db.shape),
        sample_rate=mel.SAMPLE_RATE,
        hop=mel.HOP,
    )


def _objective_label(options, target):
    if len(options.layers_to_use) > 1:
        return "mean response of the layers"
    if target is None:
        return f"mean squared activation of {options.layers_to_use[0]}"
    sign = "" if options.class_objective == "towards" else "minus "
    return f"{sign}log probability of {target}"
