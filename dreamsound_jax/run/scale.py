"""Where the cells of the networks' spectrograms lie."""

from dreamsound_jax.outputs.panels import SpectrogramScale
from dreamsound_jax.spectral import mel

SCALE = SpectrogramScale(
    band_centres=mel.mel_frequencies(mel.N_MELS + 2, highest=mel.SAMPLE_RATE / 2)[1:-1],
    seconds_per_frame=mel.HOP / mel.SAMPLE_RATE,
)
