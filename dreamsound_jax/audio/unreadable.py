"""Says what a file is of which no sound can be read, and what to do about it."""

from dreamsound_jax.audio.find import READABLE
from dreamsound_jax.system.file_kinds import DOWNLOAD, GET_FROM_LFS, Group, recognise

_ENOUGH = 4096  # So many bytes at the beginning show what a file is.
_FORMATS = f"must be a sound or video file in a known format: {', '.join(READABLE)}"
_SAID: dict[Group, str] = {
    "packed": "is {name}; unpack it first, and give the sounds in it",
    "numbers": "is {name}, and holds no sound",
    "notes": "is {name}, which holds notes and no sound; render it to a sound first",
    "other": "is {name}, and holds no sound",
    "pointer": f"is {{name}}; {GET_FROM_LFS}",
    "page": f"is {{name}}, and holds no sound; {DOWNLOAD}",
    "text": f"is {{name}}, and {_FORMATS}",
    "sound": "is cut short or damaged, and nothing of it can be read",
}


def describe_unreadable(data: bytes) -> str:
    """Says why nothing of a file can be read, as the end of a sentence about it.

    Example:
      >>> describe_unreadable(b"%PDF-1.7")
      'is a PDF document, and holds no sound'
    """
    if data.count(0) == len(data):
        return "holds nothing but zeros: it was not written to its end; copy or download it again"
    kind = recognise(data[:_ENOUGH])
    if kind:
        return _SAID[kind.group].format(name=kind.name)
    return f"{_FORMATS}; if FFmpeg can read it, convert it first: ffmpeg -i FILE NEW_FILE.wav"
