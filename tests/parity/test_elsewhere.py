"""A VGG19 that was trained elsewhere, with the spectrograms that torchaudio makes.

The spectrogram is computed from the formulas, by NumPy and librosa's filters, and the network by
PyTorch. The checkpoint is converted and loaded as a user does it.
"""

import json

import jax
import jax.numpy as jnp
import librosa
import numpy as np
import pytest
import soundfile

from dreamsound_jax.audio.files import normalise_recording, read_recording
from dreamsound_jax.networks import loading
from dreamsound_jax.spectral.front_end_constants import parse_front_end
from dreamsound_jax.weights.conversion_request import ConversionRequest
from dreamsound_jax.weights.convert import convert_weights
from tests.helpers.commands import dream
from tests.helpers.sounds import DATA
from tests.helpers.tiny import CARD
from tests.helpers.torch_files import vgg19_arrays, write_pth

ARRAYS = vgg19_arrays(loading.weight_shapes(CARD))
RATE, N_FFT, HOP, BANDS = 16000, 1024, 320, 64
LAYERS = ("relu1_1", "relu2_2", "relu3_4", "output")
FRONT_ENDS = {
    "log": "htk=true,norm=none,pad_mode=reflect,compression=log,log_offset=1e-6",
    "log of torch.clamp": "mel_scale=htk,norm=null,pad_mode=reflect,amin=1e-5,compression=log,"
    "log_offset=0",
    "log1p": "mel_norm=slaney,pad_mode=reflect,compression=log1p",
}
COMPRESS = {
    "log": lambda power: np.log(power + 1e-6),
    "log of torch.clamp": lambda power: np.log(np.maximum(power, 1e-5)),
    "log1p": lambda power: np.log10(1 + 1e4 * power),
}
MEAN, STD = -3.5, 4.25


def write_sound(folder):
    """Writes 1.2 seconds of drums with silence behind them, at the sample rate of the network."""
    channels, rate = soundfile.read(DATA / "loop_amen.flac", always_2d=True)
    sound = librosa.resample(channels.mean(axis=1), orig_sr=rate, target_sr=RATE)[: RATE * 9 // 10]
    path = folder / "drums.wav"
    soundfile.write(path, np.pad(sound, (0, RATE * 3 // 10)), RATE, subtype="FLOAT")
    return path


def show(sound, kind):
    """What the network was shown in training, (mel bands, frames), in float64."""
    padded = np.pad(np.float64(sound), N_FFT // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[::HOP]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(N_FFT) / N_FFT)
    power = np.abs(np.fft.rfft(frames * window).T) ** 2
    scale = {"htk": kind != "log1p", "norm": "slaney" if kind == "log1p" else None}
    filters = librosa.filters.mel(sr=RATE, n_fft=N_FFT, n_mels=BANDS, **scale, dtype=np.float64)
    return (COMPRESS[kind](filters @ power) - MEAN) / STD


def convert(folder, kind):
    path = write_pth(folder / "elsewhere.pth", ARRAYS)
    sizes = f"sample_rate={RATE},n_fft={N_FFT},hop_length={HOP},n_mels={BANDS}"
    entries = {"classes": ["6"], "mean": MEAN, "std": STD, **CARD.size}
    entries["front_end"] = parse_front_end(f"{sizes},{FRONT_ENDS[kind]}")
    convert_weights(path, ConversionRequest("mine", entries, output=folder / "mine"))
    return folder / "mine"


@pytest.mark.parametrize("kind", FRONT_ENDS)
def test_the_network_hears_what_it_heard_where_it_was_trained(kind, tmp_path):
    torch = pytest.importorskip("torch", reason="PyTorch computes the numbers that are compared")
    from tests.helpers import torch_reference

    model = loading.load_model(checkpoint=convert(tmp_path, kind))
    front_end, path = model.card.front_end, write_sound(tmp_path)
    sound = normalise_recording("a", read_recording(str(path)), sample_rate=RATE)
    expected = show(sound, kind)

    @jax.jit
    def hear(network, sound):
        spectrogram = front_end.standardise(front_end.analyse(sound))
        return front_end.compress(spectrogram), network.activations(spectrogram, LAYERS)

    shown, found = hear(model.network, jnp.asarray(sound))
    compare(shown, expected)
    weights = {name: torch.tensor(array) for name, array in ARRAYS.items()}
    image = torch.tensor(np.float32(expected))[None, None]
    for name, values in torch_reference.activations(weights, image, LAYERS).items():
        wanted = values[0].detach().numpy()
        compare(found[name], wanted.transpose(1, 2, 0) if wanted.ndim == 3 else wanted)


def compare(found, expected):
    """Each number must be within 1e-4 of the largest."""
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()


@pytest.mark.parametrize("domain", ["sound", "mel"])
def test_it_dreams_in_each_domain(domain, tmp_path):
    checkpoint, path = convert(tmp_path, "log"), write_sound(tmp_path)
    flags = [f"--checkpoint={checkpoint}", f"--domain={domain}", "--target_class=class_3"]
    flags += ["--pyramid_size=1", "--num_iterations=8", "--noplots", "--seed=1"]
    dream(path, *flags, f"--output_dir={tmp_path / 'out'}", cwd=tmp_path)
    sound, _ = soundfile.read(tmp_path / "out/00000-drums.wav")
    assert np.isfinite(sound).all() and np.abs(sound).max() > 0.01
    facts = json.loads(next((tmp_path / "out").glob("0*.json")).read_text())
    assert facts["objective"]["last"] > facts["objective"]["first"]
