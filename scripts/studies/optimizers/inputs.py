"""The inputs of a comparison: sounds of equal length, kept in the folder of the comparison."""

from dreamsound_jax.audio import audio, inputs
from dreamsound_jax.spectral import mel
from dreamsound_jax.system.errors import UserError


def name_input(path):
    """Names an input after its file, without the suffix."""
    return path.rsplit("/", 1)[-1].rsplit(".", 1)[0]


def read_inputs(names, samples):
    """Reads {name: sound (samples,), cut to so many samples}; a generated sound is None.

    All sounds have the same length, rate and channels, so they can be dreamed in one batch.

    Raises:
      UserError: A sound cannot be read or is too short, or two of them have the same name.
    """
    found, missing = inputs.find_inputs(names)
    if missing:
        raise UserError(missing[0][1])
    sounds = {name_input(path): _read_beginning(path, samples) for path in found}
    if len(sounds) < len(found):
        raise UserError(f"--input={','.join(names)}: two of the inputs have the same name")
    return sounds


def write_inputs(sounds, folder):
    """Writes the sounds into the folder; returns their paths, or the names of generated ones."""
    folder.mkdir(exist_ok=True)
    paths = {name: folder / f"{name}.wav" for name, sound in sounds.items() if sound is not None}
    for name, path in paths.items():
        sound = sounds[name][:, None]
        path.write_bytes(audio.encode_wav(sound, sample_rate=mel.SAMPLE_RATE, subtype="FLOAT"))
    return [str(paths.get(name, name)) for name in sounds]


def _read_beginning(path, samples):
    if path in inputs.GENERATED:
        return None
    sound = inputs.read(path, sample_rate=mel.SAMPLE_RATE)
    if sound.size < samples:
        raise UserError(
            f"{path!r} must have at least --clip_length={samples} samples at {mel.SAMPLE_RATE} Hz, "
            f"got {sound.size}"
        )
    return sound[:samples]
