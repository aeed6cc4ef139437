"""Which file of a clip is what, by its suffix in the record of the clip."""

from dreamsound_jax.audio.formats import FORMATS

PICTURE = ".png"
"""The suffix of the picture of a clip."""
THUMBNAIL = ".small.png"
"""The suffix of the small picture of a dream."""

_KINDS = ("input", "dream", "difference")


def find_sounds(files: object) -> dict[str, str]:
    """Returns the sounds that can be compared, {kind: suffix}, in the order of the switch.

    Args:
      files: `files` of a record, {suffix: size}; without a dream in it, the dream is a .wav.

    Example:
      >>> find_sounds({".flac": 9, ".input.flac": 9, ".png": 9})
      {'input': '.input.flac', 'dream': '.flac'}
    """
    found = {"dream": ".wav"}
    for suffix in files if isinstance(files, dict) else ():
        _, *kind, form = str(suffix).split(".") if "." in str(suffix) else ("", "", "")
        if form in FORMATS and kind in ([], ["input"], ["difference"]):
            found["".join(kind) or "dream"] = suffix
    return {kind: found[kind] for kind in _KINDS if kind in found}
