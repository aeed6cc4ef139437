"""The steps of a dream, one by one: what a network hears, what is raised, and the gain on a sound.

import jax
import dreamsound_jax as ds

model = ds.load_model("gm")
sound, rate = ds.load_sound("loop.wav")
mel_db = ds.analyse(sound, rate, model)
gradient = jax.grad(ds.measure_objective)(mel_db, model, ds.layer("relu3_4"))
"""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from dreamsound_jax.api.given import take_objective
from dreamsound_jax.api.sounds import Sound, shape_like, take_recording
from dreamsound_jax.audio.files import normalise_recording, remove_offset, to_mono
from dreamsound_jax.dreaming.batch import analyse_clips, classify
from dreamsound_jax.dreaming.dream import prepare_network, prepare_objective, respond
from dreamsound_jax.dreaming.program import ClipSettings, Program
from dreamsound_jax.networks.loading import Model
from dreamsound_jax.networks.network import Network
from dreamsound_jax.objectives.terms import Objective
from dreamsound_jax.run.options import Options
from dreamsound_jax.run.resolve import resolve
from dreamsound_jax.spectral import gain
from dreamsound_jax.spectral.front_end import FrontEnd
from dreamsound_jax.spectral.interpolate import repeat_time
from dreamsound_jax.system.errors import UserError, nearest_or_fail


def analyse(sound: Sound, sample_rate: int, model: Model) -> np.ndarray:
    """Converts a sound to the spectrogram that a network hears.

    A constant offset is removed, its channels are mixed, and it is resampled and scaled to a peak
    of 1 first, as a dream does.
    `model.card.front_end` has the constants, `band_centres` in Hz and `seconds_per_frame`.

    Args:
      sound: (samples,) or (channels, samples).
      sample_rate: of the sound, in Hz.
      model: the network and its card.

    Returns:
      float32 (mel bands, frames) in dB; no cell is more than `top_db` of the front end below the
      loudest.

    Raises:
      UserError: the sound is silent, or is not one sound.

    Example:
      >>> import dreamsound_jax as ds
      >>> tone = np.sin(2 * np.pi * 440 / 22050 * np.arange(22050))
      >>> mel_db = analyse(tone, 22050, ds.load_model("gm"))
      >>> mel_db.shape, round(float(mel_db.max() - mel_db.min()))
      ((128, 111), 80)
    """
    front_end = model.card.front_end
    recording = take_recording(sound, sample_rate)
    heard = normalise_recording(
        "the sound",
        recording,
        sample_rate=front_end.sample_rate,
        band=(front_end.f_min, front_end.highest),
    )
    return np.asarray(analyse_clips(heard[None], front_end=front_end)[0])


def activations(mel_db: ArrayLike, model: Model, layers: Sequence[str]) -> dict[str, jax.Array]:
    """Returns the activations of layers for a spectrogram; JAX can differentiate them.

    A spectrogram too short for a layer is heard as if it were repeated.

    Args:
      mel_db: (mel bands, frames) in dB, as `analyse` returns it.
      model: the network and its card.
      layers: names, such as ["relu3_4"]; `model.card.architecture.layers` has all of them.

    Returns:
      {layer: activation}: (rows, columns, channels), where rows are mel bands from low to high and
      columns are frames, or (features,) of the head.

    Raises:
      UserError: the network has no such layer.

    Example:
      >>> import dreamsound_jax as ds
      >>> found = activations(np.zeros((128, 100)), ds.load_model("gm"), ["relu3_4"])
      >>> found["relu3_4"].shape
      (32, 25, 64)
    """
    known = model.card.architecture.layers
    names = tuple(nearest_or_fail("layer", name, known) for name in layers)
    return _activations(model.network, _show(mel_db, model), names)


@functools.partial(jax.jit, static_argnames="layers")
def _activations(network, seen, layers):
    frames = network.architecture.count_heard_frames(seen.shape[1], layers)
    return network.activations(repeat_time(seen, frames=frames), layers)


def class_probabilities(mel_db: ArrayLike, model: Model) -> dict[str, float]:
    """Returns {class: probability} of a spectrogram.

    Args:
      mel_db: (mel bands, frames) in dB, as `analyse` returns it.
      model: the network and its card.

    Example:
      >>> import dreamsound_jax as ds
      >>> heard = class_probabilities(np.zeros((128, 100)), ds.load_model("gm"))
      >>> len(heard), round(sum(heard.values()), 3)
      (16, 1.0)
    """
    (found,) = np.asarray(classify(model.network, _show(mel_db, model)[None]))
    return dict(zip(model.card.classes, map(float, found)))


def measure_objective(
    mel_db: ArrayLike,
    model: Model,
    objective: Objective | str,
    *,
    input_db: ArrayLike | None = None,
) -> jax.Array:
    """Measures an objective: what a dream raises, at the full resolution of a spectrogram.

    `jax.grad(measure_objective)(mel_db, model, objective)` is its gradient with respect to each
    cell: (mel bands, frames), by dB.

    Args:
      mel_db: (mel bands, frames) in dB, as `analyse` returns it.
      model: the network and its card.
      objective: such as `layer("relu3_4")`, or the same as text.
      input_db: that of the input, from which terms such as `stay_near` measure; by default
        `mel_db` itself.

    Returns:
      A scalar. It is compiled once for each kind of objective and each shape of the spectrogram.

    Raises:
      UserError: the network has no such layer, channel or class, or a guide cannot be read.

    Example:
      >>> import dreamsound_jax as ds
      >>> model, mel_db = ds.load_model("gm"), np.zeros((128, 100), np.float32)
      >>> gradient = jax.grad(measure_objective)(mel_db, model, ds.layer("relu2_2"))
      >>> gradient.shape
      (128, 100)
    """
    objective = take_objective(objective, model.card)
    seen = _show(mel_db, model)
    original = jax.lax.stop_gradient(seen) if input_db is None else _show(input_db, model)
    plan = resolve(Options(seed=0), model.card, objective=objective).clips[0]
    data = plan.objective_data(None, frames=seen.shape[1])
    settings = ClipSettings(plan.steps, np.array(plan.detail_factor, plan.dtype), np.zeros(0), data)
    return _measure(model.network, seen, original, settings, program=plan.program())


@functools.partial(jax.jit, static_argnames="program")
def _measure(
    network: Network,
    seen: jax.Array,
    original: jax.Array,
    settings: ClipSettings,
    *,
    program: Program,
) -> jax.Array:
    bands, frames = seen.shape
    network = prepare_network(network, (bands, frames), program)
    prepared = prepare_objective(network, original, settings, program=program)
    return respond(network, seen, prepared, program=program)


def apply_gain(sound: Sound, sample_rate: int, model: Model, *, gain_db: ArrayLike) -> np.ndarray:
    """Makes each cell of a sound's spectrogram louder or quieter, and keeps its phase.

    This is how a dream in the domain "sound" becomes a sound: `Dream.change_db` as `gain_db`
    makes `Dream.sound` of `Dream.input`, if the dream is of a whole sound that is no loop.

    Args:
      sound: (samples,) or (channels, samples); each channel is given the same gain.
      sample_rate: of the sound, in Hz.
      model: the network and its card, on whose grid the gain is.
      gain_db: (mel bands, frames) in dB, of the shape of `analyse(sound, sample_rate, model)`.

    Returns:
      float32, shaped as `sound`, with the same root mean square, and without a constant offset.

    Raises:
      UserError: the gain has another shape or is not finite, or the sound is silent or is not one
        sound.

    Example:
      >>> import dreamsound_jax as ds
      >>> tone = np.sin(2 * np.pi * 440 / 22050 * np.arange(22050))
      >>> same = apply_gain(tone, 22050, ds.load_model("gm"), gain_db=np.zeros((128, 111)))
      >>> bool(np.abs(same - tone).max() < 1e-4)
      True
    """
    front_end = model.card.front_end
    recording = remove_offset("the sound", take_recording(sound, sample_rate))
    gain_db = np.asarray(gain_db, np.float32)
    _check_gain(gain_db, to_mono(recording, sample_rate=front_end.sample_rate).size, front_end)
    channels, rate = recording
    amplified = _amplify(channels.T, gain_db, sample_rate=rate, front_end=front_end)
    return shape_like(np.asarray(amplified), np.asarray(sound))


def _check_gain(gain_db, samples, front_end):
    expected = front_end.n_mels, front_end.frame_count(samples)
    if gain_db.shape != expected:
        raise UserError(
            f"the gain must have the shape {expected} of the sound's spectrogram, and has "
            f"{gain_db.shape}"
        )
    if not np.isfinite(gain_db).all():
        raise UserError("the gain must not have cells that are NaN or infinite")


@functools.partial(jax.jit, static_argnames=("sample_rate", "front_end"))
def _amplify(
    channels: jax.Array, gain_db: jax.Array, *, sample_rate: int, front_end: FrontEnd
) -> jax.Array:
    def amplify(channel):
        return gain.apply_gain(channel, gain_db, sample_rate=sample_rate, front_end=front_end)

    return gain.match_rms(channels, jax.lax.map(amplify, channels))


def _show(mel_db, model):
    """Returns a spectrogram in dB as the network is shown it: standardised, float32."""
    seen = jnp.asarray(mel_db, jnp.float32)
    bands = model.card.front_end.n_mels
    if seen.ndim != 2 or len(seen) != bands or not seen.size:
        raise UserError(
            f"a spectrogram must have the shape ({bands}, frames), and has {seen.shape}"
        )
    return model.card.front_end.standardise(seen)
