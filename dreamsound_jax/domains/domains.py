"""The two domains of a dream: what its steps change, what the network sees of it, how it ends, and
what the next dream of an ouroboros begins with.

Written for one clip, to be `vmap`ped; `gather` alone makes a batch. Spectrograms are (mel bands,
frames), standardised, and what the steps change has that shape and unit, too.
"""

import functools
from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from dreamsound_jax.dreaming import ascent, pyramid
from dreamsound_jax.spectral import gain, interpolate, inversion, mel, transforms


class Finished(NamedTuple):
    """A dream that is over.

    Attributes:
      mel_db: (mel bands, frames), what the network saw last.
      change_db: (mel bands, frames), what the dream did: to the spectrogram, or as a gain.
      sound: (channels, samples), as loud as it comes.
    """

    mel_db: jax.Array
    change_db: jax.Array
    sound: jax.Array


class Settle(NamedTuple):
    """Functions of (mel bands, frames) in dB, which have the last word on a dream's levels."""

    mel_db: Callable
    heard_db: Callable


@struct.dataclass
class Mel:
    """The reference's domain: steps change the spectrogram, and in the end it becomes a sound.

    Attributes:
      spectrogram: of the input.
      sound: the input, (samples,) at 22,050 Hz.
      key: random key of the phase that its inversion begins with.
      card: the `Card` of the network.
    """

    spectrogram: jax.Array
    sound: jax.Array
    key: jax.Array
    card: Any = struct.field(pytree_node=False)

    @classmethod
    def gather(cls, card, sources, sounds, spectrograms, *, gain_range):
        """A batch of `sources`; `sounds` and `spectrograms` are theirs, with an axis of clips."""
        del gain_range
        keys = jnp.stack([source.keys.phase for source in sources])
        return cls(spectrograms, sounds, keys, card)

    def start(self):
        """What the first level is given."""
        return self.spectrogram

    def enter(self, current, shapes, level, detail_factor):
        """Brings the dream so far to its next level, and gives back what shrinking had lost."""
        entered = interpolate.resize(current, shapes[level])
        if level == 0:
            return entered
        lost = pyramid.lost_detail(self.spectrogram, shapes[level], shapes[level - 1])
        return entered + detail_factor * lost

    def eye(self, shape):
        """A function: what the network sees, at the shape of a level, of what was changed."""
        del shape
        return lambda changed: changed

    def whole(self, changed, detail_factor):
        """What the network would see of the dream so far, of any level, on the whole clip."""
        shape = self.spectrogram.shape
        lost = pyramid.lost_detail(self.spectrogram, shape, changed.shape)
        return interpolate.resize(changed, shape) + detail_factor * lost

    def balance(self, seen):
        """What of `seen` the objective's gradient heeds: all of it."""
        return seen

    def limit(self):
        """Of the absolute value of what is changed."""
        return ascent.CLAMP

    def finish(self, changed, settle=None):
        """The `Finished` dream; its sound has one channel, at 22,050 Hz.

        What `settle`, a `Settle`, makes of the mel dB is what becomes a sound; Griffin-Lim strays
        from it, so the sound is given a gain towards what `settle` makes of what is heard of it.
        """
        mel_db = self.card.destandardise(changed)
        mel_db = settle.mel_db(mel_db) if settle else mel_db
        change_db = mel_db - self.card.destandardise(self.spectrogram)
        sound = inversion.mel_db_to_sound(self.key, mel_db)
        if settle:
            heard_db = mel.sound_to_mel_db(sound)
            gain_db = settle.heard_db(heard_db) - heard_db
            sound = gain.player(sound)(gain.bounded(gain_db, heard_db, gain_range=mel.TOP_DB))
        return Finished(mel_db, change_db, sound[None])

    def undreamed(self):
        """The input as the finished sounds are: (channels, samples)."""
        frames = self.spectrogram.shape[1]
        return self.sound[None, : (frames - 1) * mel.HOP + mel.N_FFT % 2]

    def listen(self, channels):
        """What the network hears of (channels, samples): (samples,) at 22,050 Hz."""
        return channels[0]

    def again(self, finished, chain):
        """The start of the next dream, on what this one made: through sound if there is a chain of
        transforms; else the dreamed spectrogram itself, as in the reference.
        """
        mel_db = finished.mel_db
        if chain:
            wanted = (finished.sound.shape[1], self.sound.size)
            apply = functools.partial(transforms.apply, sample_rate=mel.SAMPLE_RATE)
            mel_db = mel.analyse(apply(self.listen(finished.sound), chain, samples=wanted))
        key = jax.random.fold_in(self.key, 1)
        return self.replace(spectrogram=self.card.standardise(mel_db), key=key)


@struct.dataclass
class Sound:
    """The dream in the sound itself: steps change a gain on it, and the network hears the result.

    The network sees the spectrogram of a sound at every step, so nothing is lost at the end. The
    gradient with respect to that spectrogram is taken for the one with respect to the gain.

    Attributes:
      spectrogram: of the input.
      sound: the input as the network hears it, (samples,) at 22,050 Hz.
      original: the input as it came, (channels, samples) at `sample_rate`.
      gain_range: how far the gain may go, in dB.
      card: the `Card` of the network.
      sample_rate: of `original`, in Hz.
    """

    spectrogram: jax.Array
    sound: jax.Array
    original: jax.Array
    gain_range: jax.Array
    card: Any = struct.field(pytree_node=False)
    sample_rate: int = struct.field(pytree_node=False)

    @classmethod
    def gather(cls, card, sources, sounds, spectrograms, *, gain_range):
        """A batch of `sources`; `sounds` and `spectrograms` are theirs, with an axis of clips.

        `gain_range` is one for all, or one each.
        """
        originals = np.stack([source.original.channels.T for source in sources])
        return cls(
            spectrogram=spectrograms,
            sound=sounds,
            original=jnp.asarray(originals, sounds.dtype),
            gain_range=np.broadcast_to(np.asarray(gain_range, sounds.dtype), len(sounds)),
            card=card,
            sample_rate=sources[0].original.sample_rate,
        )

    def start(self):
        """What the first level is given: no gain."""
        return jnp.zeros_like(self.spectrogram)

    def enter(self, current, shapes, level, detail_factor):
        """Brings the gain so far to its next level. The sound itself has kept its detail."""
        del detail_factor
        return interpolate.spread(current, shapes[level])

    def eye(self, shape):
        """A function: what the network sees, at the shape of a level, of the sound with a gain."""
        play = gain.player(self.sound)
        frames = interpolate.nearest(self.spectrogram.shape[1], shape[1])

        def see(changed):
            # At a coarse level most frames would be left out again: they are not analysed at all.
            mel_db = mel.analyse(play(self.gain_db(changed)), frames=frames)
            return interpolate.resize(self.card.standardise(mel_db), shape)

        return see

    def whole(self, changed, detail_factor):
        """What the network would see of the dream so far, of any level, on the whole clip."""
        del detail_factor
        return self.eye(self.spectrogram.shape)(changed)

    def balance(self, seen):
        """`seen` as it is, but with the gradient that it has at a constant power.

        A sound can only be so loud: what is turned up turns the rest down. Without this, dreams of
        louder and louder places end in a few of them, and silence between.
        """
        db = self.card.std * seen
        power_db = 10 / np.log(10) * jax.nn.logsumexp(np.log(10) / 10 * db)
        return seen - (power_db - jax.lax.stop_gradient(power_db)) / self.card.std

    def limit(self):
        """Of the absolute value of what is changed."""
        return self.gain_range / self.card.std

    def gain_db(self, changed):
        """The gain in dB, (mel bands, frames), that `changed`, of any level's shape, stands for."""
        spread = interpolate.spread(changed, self.spectrogram.shape)
        return self._bounded(spread * self.card.std)

    def _bounded(self, gain_db):
        mel_db = self.card.destandardise(self.spectrogram)
        return gain.bounded(gain_db, mel_db, gain_range=self.gain_range)

    def finish(self, changed, settle=None):
        """The `Finished` dream; its sound has the channels, rate and level of `original`.

        What `settle` makes of the mel dB is a wish: the gain goes where it would be fulfilled if
        cells did not overlap, as far as `gain_range` lets it.
        """
        play, gain_db = gain.player(self.sound), self.gain_db(changed)
        mel_db = mel.analyse(play(gain_db))
        if settle:
            gain_db = self._bounded(gain_db + settle.mel_db(mel_db) - mel_db)
            mel_db = mel.analyse(play(gain_db))
        apply = functools.partial(gain.apply, sample_rate=self.sample_rate)
        # One channel after the other, for the memory that they take.
        sound = jax.lax.map(lambda channel: apply(channel, gain_db), self.original)
        if settle:
            rate = self.sample_rate
            sound = gain.with_unheard_as_in(self.original, sound, sample_rate=rate)
        return Finished(mel_db, gain_db, gain.as_loud_as(self.original, sound))

    def undreamed(self):
        """The input as the finished sounds are: (channels, samples)."""
        return self.original

    def listen(self, channels):
        """What the network hears of (channels, samples): (samples,) at 22,050 Hz."""
        mono = channels.mean(axis=0)
        if self.sample_rate == mel.SAMPLE_RATE:
            return mono
        ratio = Fraction(mel.SAMPLE_RATE, self.sample_rate)
        return transforms.exactly(transforms.change_rate(mono, ratio), self.sound.size)

    def again(self, finished, chain):
        """The start of the next dream, on the sound of this one after a chain of transforms."""
        original = finished.sound
        if chain:
            size = original.shape[1]
            apply = functools.partial(transforms.apply, sample_rate=self.sample_rate)
            each = lambda channel: apply(channel, chain, samples=(size, size))  # noqa: E731
            original = gain.as_loud_as(self.original, jax.vmap(each)(original))
        sound = mel.peak_normalise(self.listen(original))
        spectrogram = self.card.standardise(mel.analyse(sound))
        return self.replace(spectrogram=spectrogram, sound=sound, original=original)


DOMAINS = {"sound": Sound, "mel": Mel}
