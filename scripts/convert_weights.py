"""Converts a network of PyTorch or TensorFlow to a checkpoint. Neither needs to be installed.

    python scripts/convert_weights.py --model=fma-small --download
    python scripts/convert_weights.py --model=fma-small --pth=fma-small.pth
    python scripts/convert_weights.py --model=cnn14 --pth=Cnn14_mAP=0.431.pth
    python scripts/convert_weights.py --model=mtt --pth=musicnn-0.1.0-py3-none-any.whl
    python scripts/convert_weights.py --model=my --pth=my.pth --classes=dog,cat --mean=-24 --std=17
    python scripts/convert_weights.py --model=my --pth=my.pth --classes=dog,cat --mean=-24 --std=17
        --front_end=sample_rate=16000,n_fft=1024,hop=320,n_mels=64,f_min=50
    python scripts/convert_weights.py --model=my --pth=my.pth --classes=dog,cat --mean=-4 --std=4.5
        --front_end=sample_rate=16000,n_fft=1024,hop=320,n_mels=64,htk=true,norm=none,
        pad_mode=reflect,compression=log,log_offset=1e-6

The first four commands convert published networks, whose classes and SHA-256 or MD5 are known:
fma-small and UrbanSounds8k of the original DreamSound, cnn10, cnn14 and cnn14_16k of PANNs (no
digest of the last one is known), and mtt and msd of musicnn, which are included.
The others convert any VGG19 with one input channel, with or without batch norm, that was saved as a
state dict. Code inside a file is never run.
"""

import jax
from absl import flags

from dreamsound_jax.cli import parsing as command_line
from dreamsound_jax.spectral.front_end_constants import FRONT_END_HELP, parse_front_end
from dreamsound_jax.system import runtime
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.system.standard_streams import print_out
from dreamsound_jax.weights.conversion_request import ConversionRequest
from dreamsound_jax.weights.convert import convert_weights
from dreamsound_jax.weights.download import download_weights
from studies.paths import define_path

_MODEL = flags.DEFINE_string(
    "model", None, "name of the model; dreamsound --model=NAME selects it later", required=True
)
_PTH = define_path("pth", None, "the file to convert: of PyTorch, safetensors, or musicnn's wheel")
_DOWNLOAD = flags.DEFINE_boolean(
    "download", False, "download the file of a published model instead of giving --pth"
)
_OUTPUT = define_path(
    "output", None, "the folder to write the checkpoint to; by default checkpoints/MODEL"
)
_VERIFY_HASH = flags.DEFINE_boolean(
    "verify_hash", True, "refuse a file for a published model that is not the published one"
)
_CLASSES = flags.DEFINE_list(
    "classes", None, "names of the classes in the order of the outputs, or only their number"
)
_MEAN = flags.DEFINE_float(
    "mean",
    None,
    "mean of the training spectrograms, in dB or as the compression in --front_end gives them; 0 "
    "if they were not standardised",
)
_STD = flags.DEFINE_float(
    "std", None, "standard deviation of the training spectrograms, like --mean; or 1", 1e-6
)
_FRONT_END = flags.DEFINE_string("front_end", None, FRONT_END_HELP)
_WIDTH = flags.DEFINE_float(
    "width",
    None,
    "multiplies the number of channels of each convolution of VGG19; by default 1",
    0.01,
    4,
)
_HIDDEN = flags.DEFINE_integer(
    "hidden", None, "number of features of the two hidden layers; by default 4096", 1
)
_HEARD_IN_DRUMS = flags.DEFINE_list(
    "heard_in_drums",
    None,
    "up to three classes that must be the most probable in the included drums; a network that "
    "hears others is not converted",
)


def main():
    if (_PTH.value is None) == (not _DOWNLOAD.value):
        raise UserError("give either --pth=FILE or, for a published model, --download")
    runtime.prepare(precision="float32")
    jax.config.update("jax_platforms", "cpu")  # A conversion computes nothing on an accelerator.
    request = _make_request()
    path = download_weights(request) if _DOWNLOAD.value else _PTH.value
    print_out(convert_weights(path, request))


def _make_request():
    card_flags = (_CLASSES, _MEAN, _STD, _WIDTH, _HIDDEN, _HEARD_IN_DRUMS)
    entries = {flag.name: flag.value for flag in card_flags if flag.value is not None}
    if _FRONT_END.value is not None:
        entries["front_end"] = parse_front_end(_FRONT_END.value)
    return ConversionRequest(
        _MODEL.value, entries, output=_OUTPUT.value, verify_hash=_VERIFY_HASH.value
    )


if __name__ == "__main__":
    command_line.run(main, name="convert_weights", usage=__doc__, stopped="nothing was written")
