"""Probes: simple sounds that tell onsets, tones, glides and bands of noise apart."""

from collections.abc import Mapping, Sequence

import jax
import numpy as np

from dreamsound_jax.dreaming.batch import analyse_clips
from dreamsound_jax.networks.loading import Model
from dreamsound_jax.spectral.interpolate import repeat_time

TONES = (220.0, 440.0, 880.0, 1760.0, 3520.0)
SILENT = "silent"
MIXED = "mixed"

# A channel has a name if one kind of probe excites it so many times as much as any other.
_CLEARLY = 1.5


def make_probes(rate: int, seconds: float = 1.5) -> dict[str, list[np.ndarray]]:
    """Makes {kind: its probes}, (samples,) each, with a peak of 1."""
    time = np.arange(round(rate * seconds)) / rate
    noise = np.random.default_rng(0).normal(size=time.size)
    clicks = np.zeros_like(time)
    clicks[:: round(rate / 4)] = 1
    sawtooth = 2 * (time * 220 % 1) - 1
    made = {
        "onsets": [clicks],
        "tones": [np.sin(2 * np.pi * hertz * time) for hertz in TONES],
        "harmonics": [sawtooth],
        "rising glides": [_glide(200, 4000, time)],
        "falling glides": [_glide(4000, 200, time)],
        "low noise": [_filter(noise, rate, 0, 500)],
        "middle noise": [_filter(noise, rate, 500, 3000)],
        "high noise": [_filter(noise, rate, 3000, rate / 2)],
    }
    return {
        kind: [np.float32(sound / np.abs(sound).max()) for sound in sounds]
        for kind, sounds in made.items()
    }


def _glide(first, last, time):
    """Glides from one frequency to another at a constant rate of octaves, twice."""
    length = time[-1] / 2
    place = time % length
    octaves = np.log(last / first) / length
    return np.sin(2 * np.pi * first * (np.exp(octaves * place) - 1) / octaves)


def _filter(noise, rate, low, high):
    spectrum = np.fft.rfft(noise)
    hertz = np.fft.rfftfreq(noise.size, 1 / rate)
    return np.fft.irfft(np.where((hertz >= low) & (hertz < high), spectrum, 0), noise.size)


def measure_probes(model: Model, layer: str) -> dict[str, np.ndarray]:
    """Returns {kind: (channels,), the mean response to its probes}."""
    probes = make_probes(model.card.front_end.sample_rate)
    return {
        kind: np.mean([hear_columns(model, layer, sound).mean(axis=0) for sound in sounds], axis=0)
        for kind, sounds in probes.items()
    }


def hear_columns(model: Model, layer: str, sound: np.ndarray) -> np.ndarray:
    """Returns the mean response of each channel over each column of a layer, (columns, channels).

    Args:
      model: The network and its card.
      layer: The layer.
      sound: (samples,), with a peak of 1.
    """
    (mel_db,) = analyse_clips(sound[None], front_end=model.card.front_end)
    frames = model.network.architecture.count_heard_frames(mel_db.shape[1], [layer])
    heard = repeat_time(model.card.front_end.standardise(mel_db), frames=frames)
    return np.asarray(_average_rows(model.network, heard, layer))


def _average_rows_of(network, spectrogram, layer):
    return network.activations(spectrogram, (layer,))[layer].mean(axis=0)


_average_rows = jax.jit(_average_rows_of, static_argnames="layer")


def name_channels(responses: Mapping[str, np.ndarray]) -> list[str]:
    """Names the kind of probe that each channel responds to, or MIXED, or SILENT.

    Args:
      responses: {kind: (channels,)}.

    A channel is called after a kind only if its response to this kind is clearly larger than to
    every other. Responses are those above the channel's smallest one.
    """
    kinds: Sequence[str] = list(responses)
    table = np.stack([responses[kind] for kind in kinds])
    above = table - table.min(axis=0)
    order = np.argsort(-above, axis=0)
    names = []
    for channel, (first, second) in enumerate(order[:2].T):
        strongest, next_one = above[first, channel], above[second, channel]
        if strongest <= 1e-6:
            names.append(SILENT)
        else:
            names.append(kinds[first] if strongest > _CLEARLY * next_one else MIXED)
    return names
