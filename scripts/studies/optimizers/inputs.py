"""The inputs of a comparison: sounds of equal length, kept in the folder of the comparison."""

from dreamsound_jax.audio.encoding import encode_sound
from dreamsound_jax.audio.files import read_sound
from dreamsound_jax.audio.find import GENERATED, find_inputs
from dreamsound_jax.audio.formats import Encoding
from dreamsound_jax.system.errors import UserError


def name_input(path):
    """Names an input after its file, without the suffix."""
    return path.rsplit("/", 1)[-1].rsplit(".", 1)[0]


def read_inputs(names, samples, sample_rate):
    """Reads {name: sound (samples,), cut to so many samples}; a generated sound is None.

    All sounds have the same length, rate and channels, so they can be dreamed in one batch.

    Raises:
      UserError: A sound cannot be read or is too short, or two of them have the same name.
    """
    found, missing = find_inputs(names)
    if missing:
        raise UserError(missing[0][1])
    sounds = {name_input(path): _read_beginning(path, samples, sample_rate) for path in found}
    if len(sounds) < len(found):
        raise UserError(f"--input={','.join(names)}: two of the inputs have the same name")
    return sounds


def write_inputs(sounds, folder, sample_rate):
    """Writes the sounds into the folder; returns their paths, or the names of generated ones."""
    folder.mkdir(exist_ok=True)
    paths = {name: folder / f"{name}.wav" for name, sound in sounds.items() if sound is not None}
    encoding = Encoding(bit_depth="32f")
    for name, path in paths.items():
        sound = sounds[name][:, None]
        path.write_bytes(encode_sound(sound, sample_rate=sample_rate, encoding=encoding))
    return [str(paths.get(name, name)) for name in sounds]


def _read_beginning(path, samples, sample_rate):
    if path in GENERATED:
        return None
    sound = read_sound(path, sample_rate=sample_rate)
    if sound.size < samples:
        raise UserError(
            f"{path!r} must have at least --clip_length={samples} samples at {sample_rate} Hz, "
            f"got {sound.size}"
        )
    return sound[:samples]
