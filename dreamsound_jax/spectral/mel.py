"""Sound to mel spectrogram in dB, and back, in JAX.

Each function takes one clip, works in the clip's own float dtype, and is meant to be `vmap`ped.
Spectrograms are shaped as librosa shapes them: (bins or bands, frames). Frames are centred, with
zeros beyond the ends. The defaults are the reference's: 51,200 samples give 128 x 256.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax

SAMPLE_RATE = 22050
N_FFT = 441
HOP = 200
N_MELS = 128
AMIN = 1e-10
TOP_DB = 80.0
NNLS_ITERATIONS = 30
GRIFFIN_LIM_ITERATIONS = 32
MOMENTUM = 0.99
PARTS = 4  # of each sum of the Fourier transform


def sound_to_mel_db(
    sound, *, sample_rate=SAMPLE_RATE, n_fft=N_FFT, hop=HOP, n_mels=N_MELS, frames=slice(None)
):
    """The mel power spectrogram of a sound, in dB.

    Args:
      sound: samples (samples,), any float dtype; the reference peak-normalises first.
      sample_rate: in Hz.
      n_fft: samples in a frame; odd or even.
      hop: samples from one frame to the next.
      n_mels: mel bands, from 0 Hz to half the sample rate.
      frames: the indices of those that are wanted.

    Returns:
      (n_mels, frames) in dB re 1, from -100 up, and at most 80 below the loudest cell. As
      `librosa.power_to_db(librosa.feature.melspectrogram(...))`.
    """
    spectrum = stft(sound, n_fft=n_fft, hop=hop, frames=frames)
    power = jnp.square(spectrum.real) + jnp.square(spectrum.imag)
    filters = mel_filters(sample_rate=sample_rate, n_fft=n_fft, n_mels=n_mels)
    return power_to_db(jnp.asarray(filters, sound.dtype) @ power)


def analyse(sound, *, frames=slice(None)):
    """What a network is shown of (samples,), however loud: its mel dB at a largest sample of 1."""
    return sound_to_mel_db(peak_normalise(sound), frames=frames)


def mel_db_to_sound(key, mel_db, *, sample_rate=SAMPLE_RATE, n_fft=N_FFT, hop=HOP):
    """A sound whose mel spectrogram is near `mel_db`: non-negative least squares, Griffin-Lim.

    Args:
      key: JAX random key for the initial phase.
      mel_db: (mel bands, frames) in dB re 1.
      sample_rate, n_fft, hop: of the analysis that gave `mel_db`.

    Returns:
      Samples ((frames - 1) * hop + n_fft - 2 * (n_fft // 2),): 256 frames give 51,001.
    """
    magnitude = mel_db_to_magnitude(mel_db, sample_rate=sample_rate, n_fft=n_fft)
    return griffin_lim(key, magnitude, n_fft=n_fft, hop=hop)


def mel_db_to_magnitude(mel_db, *, sample_rate=SAMPLE_RATE, n_fft=N_FFT):
    """Magnitudes (1 + n_fft // 2, frames) whose mel bands are near `mel_db`, in dB re 1."""
    filters = mel_filters(sample_rate=sample_rate, n_fft=n_fft, n_mels=mel_db.shape[0])
    power = optax.nnls(
        jnp.asarray(filters, mel_db.dtype),
        db_to_power(mel_db),
        NNLS_ITERATIONS,
        L=float(np.linalg.norm(filters, 2)) ** 2,
    )
    return jnp.sqrt(power)


def frame_count(samples, *, n_fft=N_FFT, hop=HOP):
    """How many frames a sound of so many samples gives."""
    return 1 + (samples + 2 * (n_fft // 2) - n_fft) // hop


def peak_normalise(sound):
    """Scales (samples,) to a largest absolute value of 1; silence stays silent."""
    peak = jnp.abs(sound).max()
    return sound / jnp.where(peak > 0, peak, 1)


def power_to_db(power):
    """10 log10 of power, not below -100 dB, and not more than 80 dB below its own maximum."""
    db = 10 * jnp.log10(jnp.maximum(power, AMIN))
    return jnp.maximum(db, db.max() - TOP_DB)


def db_to_power(db):
    """The inverse of `power_to_db`."""
    return 10 ** (db / 10)


def stft(sound, *, n_fft=N_FFT, hop=HOP, frames=slice(None), to_be_heard=False):
    """Short-time Fourier transform, periodic Hann window: (samples,) -> (bins, frames).

    Args:
      sound: (samples,).
      n_fft: samples in a frame; hop: from one to the next.
      frames: which of them, by their indices.
      to_be_heard: whether it becomes a sound again: then a fast transform does, whose rounding,
        135 dB below a tone, is no more than that of `istft`. A level of a dream compiles for a
        tenth less time.
    """
    windowed = _frames(sound, n_fft, hop)[frames] * _hann(n_fft, sound.dtype)
    return (jnp.fft.rfft(windowed) if to_be_heard else _dft(windowed)).T


def istft(spectrum, *, n_fft=N_FFT, hop=HOP, samples=None):
    """Least-squares inverse of `stft`: (bins, frames) -> (samples,).

    `samples` is how many; by default as many as librosa gives, which may be fewer than were
    analysed. Griffin and Lim, "Signal Estimation from Modified Short-Time Fourier Transform", 1984.
    """
    invert = _inverter(spectrum.shape[1], spectrum.real.dtype, n_fft, hop, samples)
    return invert(spectrum.T)


def griffin_lim(key, magnitude, *, n_fft=N_FFT, hop=HOP):
    """Finds a phase for `magnitude` (1 + n_fft // 2, frames), from a random one; the sound.

    The fast algorithm of Perraudin, Balazs and Søndergaard, 2013, as librosa scales its momentum.
    """
    turn = MOMENTUM / (1 + MOMENTUM)
    tiny = jnp.finfo(magnitude.dtype).tiny
    # Frames come first, as they are transformed: turning them twice a round would take longer. And
    # the fast transform is exact enough for phases.
    wanted, window = magnitude.T, _hann(n_fft, magnitude.dtype)
    invert = _inverter(wanted.shape[0], wanted.dtype, n_fft, hop)

    def improve(carry, _):
        phase, previous = carry
        frames = _frames(invert(wanted * phase), n_fft, hop)
        rebuilt = jnp.fft.rfft(frames * window)
        phase = rebuilt - turn * previous
        power = phase.real**2 + phase.imag**2  # faster than the absolute value, whose root is safe
        return (phase * jax.lax.rsqrt(power + tiny), rebuilt), None

    angle = 2 * jnp.pi * jax.random.uniform(key, magnitude.shape, magnitude.dtype).T
    start = (jnp.exp(1j * angle), jnp.zeros_like(wanted, jnp.result_type(wanted, 1j)))
    (phase, _), _ = jax.lax.scan(improve, start, length=GRIFFIN_LIM_ITERATIONS)
    return invert(wanted * phase)


def _inverter(count, dtype, n_fft, hop, samples=None):
    """A function: so many frames' spectra, (frames, bins), to samples, by least squares."""
    window = _hann(n_fft, dtype)
    samples = samples or (count - 1) * hop + n_fft - 2 * (n_fft // 2)
    weight = _overlap_add(jnp.broadcast_to(window**2, (count, n_fft)), n_fft, hop, samples)
    weight = jnp.where(weight > jnp.finfo(dtype).tiny, weight, 1)
    return lambda spectra: (
        _overlap_add(jnp.fft.irfft(spectra, n_fft) * window, n_fft, hop, samples) / weight
    )


@functools.cache
def mel_filters(*, sample_rate=SAMPLE_RATE, n_fft=N_FFT, n_mels=N_MELS):
    """Slaney's mel filter bank, area-normalised, 0 Hz to half the sample rate, in float64.

    Returns (n_mels, 1 + n_fft // 2), as `librosa.filters.mel`, whose import compiles for seconds.
    """
    bins = np.fft.rfftfreq(n_fft, 1 / sample_rate)
    corners = mel_frequencies(n_mels + 2, highest=sample_rate / 2)
    rise = (bins - corners[:-2, None]) / np.diff(corners)[:-1, None]
    fall = (corners[2:, None] - bins) / np.diff(corners)[1:, None]
    return np.maximum(0, np.minimum(rise, fall)) * 2 / (corners[2:] - corners[:-2])[:, None]


def mel_frequencies(count, *, highest):
    """`count` frequencies in Hz from 0 to `highest`, evenly spaced on Slaney's mel scale.

    Linear below 1 kHz (15 mels), then a factor of 6.4 every 27 mels. Slaney, "Auditory Toolbox".
    """
    step = np.log(6.4) / 27
    top = 15 + np.log(highest / 1000) / step if highest > 1000 else highest * 3 / 200
    mels = np.linspace(0, top, count)
    return np.where(mels < 15, mels * 200 / 3, 1000 * np.exp(step * (mels - 15)))


def _hann(n_fft, dtype):
    return jnp.asarray(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft), dtype)


def _dft(frames):
    """The rfft of real (frames, n_fft), as matrix products of frames folded at their middle.

    Folding halves the sums. Of every `PARTS`-th sample a sum stays small on its way, and with it
    what is rounded: 80 dB below a tone, float32 is within 1e-3 dB of what librosa finds, where one
    product of all samples, or `jnp.fft.rfft`, may not be.
    """
    count = frames.shape[1] // 2
    rising, falling = frames[:, 1 : count + 1], frames[:, ::-1][:, :count]
    cosines, sines = (jnp.asarray(part, frames.dtype) for part in _folded_dft(frames.shape[1]))
    real = frames[:, :1] + _product(rising + falling, cosines)
    return jax.lax.complex(real, _product(falling - rising, sines))


def _product(rows, matrix):
    """`rows @ matrix`, all parts at once: a product each, they would compile twice as long."""
    short = -len(matrix) % PARTS
    rows = jnp.pad(rows, ((0, 0), (0, short))).reshape(len(rows), -1, PARTS)
    matrix = jnp.pad(matrix, ((0, short), (0, 0))).reshape(-1, PARTS, matrix.shape[1])
    return sum(jnp.einsum("fsp,spb->pfb", rows, matrix, precision=jax.lax.Precision.HIGHEST))


@functools.cache
def _folded_dft(n_fft):
    samples, bins = np.arange(1, n_fft // 2 + 1), np.arange(n_fft // 2 + 1)
    angles = 2 * np.pi * (np.outer(samples, bins) % n_fft) / n_fft
    # The middle sample of an even frame meets itself.
    weights = np.where(2 * samples == n_fft, 0.5, 1)[:, None]
    return weights * np.cos(angles), weights * np.sin(angles)


def _frames(sound, n_fft, hop):
    """(samples,) -> (frames, n_fft): hop-long blocks, each beside those that follow it."""
    half, blocks_a_frame = n_fft // 2, -(-n_fft // hop)
    count = frame_count(sound.size, n_fft=n_fft, hop=hop)
    length = (count + blocks_a_frame - 1) * hop
    padded = jnp.pad(sound, (half, max(0, length - half - sound.size)))[:length]
    blocks = padded.reshape(-1, hop)
    beside = [blocks[shift : shift + count] for shift in range(blocks_a_frame)]
    return jnp.concatenate(beside, axis=1)[:, :n_fft]


def _overlap_add(frames, n_fft, hop, samples):
    """(frames, n_fft) -> (samples,): the transpose of `_frames`."""
    like = jax.ShapeDtypeStruct((samples,), frames.dtype)
    return jax.linear_transpose(lambda sound: _frames(sound, n_fft, hop), like)(frames)[0]
