"""The dream of one clip as one file, where --output names a file and not a folder."""

import contextlib
import logging
import os

from dreamsound_jax.audio.find import VIDEO, is_sound
from dreamsound_jax.audio.formats import FORMATS
from dreamsound_jax.outputs.clip_files import ClipFiles, make_record, summarise, write_video
from dreamsound_jax.system.errors import UserError, reason_of
from dreamsound_jax.system.storage import is_cloud, path_of, write_whole

log = logging.getLogger(__name__)


def format_of(path: str) -> str:
    """Returns the format that the suffix of a file asks for.

    Raises:
      UserError: sounds cannot be written in this format.

    Example:
      >>> format_of("dreams/out.WAV")
      'wav'
    """
    suffix = os.path.splitext(path)[1].lower()
    if suffix == VIDEO:
        sound = os.path.splitext(path)[0] + ".wav"
        raise UserError(
            f"--output={path} must name a sound: --output={sound} --video writes a video beside it"
        )
    if suffix.removeprefix(".") not in FORMATS:
        known = " or ".join(f".{name}" for name in FORMATS)
        raise UserError(
            f"--output={path} must end in {known}, or name a folder: sounds cannot be written as "
            f"{suffix or 'that'}"
        )
    return suffix.removeprefix(".")


def names_file(output: str) -> bool:
    """Returns whether --output names a file: it has the suffix of a sound, and is no folder."""
    if not is_sound(output) or output.endswith(("/", os.sep)):
        return False
    return is_cloud(output) or not path_of(output).is_dir()


def find_video(path: str) -> str:
    """Returns the path of the video beside a sound.

    Example:
      >>> find_video("dreams/out.wav")
      'dreams/out.mp4'
    """
    return os.path.splitext(path)[0] + VIDEO


def check_file(path: str, *, overwrite: bool, with_video: bool = False) -> None:
    """Raises UserError if a file, or a video beside it, cannot be written as asked."""
    format_of(path)
    try:
        if with_video and path_of(find_video(path)).exists() and not overwrite:
            raise UserError(
                f"{find_video(path)} exists already: add --overwrite (-y) to replace it, or name "
                "another --output"
            )
        if path_of(path).exists() and not overwrite:
            raise UserError(
                f"--output={path} exists already: add --overwrite (-y) to replace it, or name "
                "another file"
            )
        if not is_cloud(path):
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                os.stat(path)  # It fails where no file can have this name.
        folder = path_of(path).parent
        while not is_cloud(path) and not folder.exists():
            folder = folder.parent
    except UserError:
        raise
    except Exception as error:  # Each cloud client has its own family of errors.
        raise UserError(f"--output={path} cannot be written: {reason_of(error)}") from error
    if not is_cloud(path) and not (folder.is_dir() and os.access(folder, os.W_OK)):
        raise UserError(f"--output={path} cannot be written: no file can be made in {folder}")


def write_sound(path: str, clip: ClipFiles) -> dict:
    """Writes the sound of a clip, and its video if it has one; returns the record of the clip.

    Raises:
      UserError: the file cannot be written.
    """
    place = path_of(path)
    if not is_cloud(path):
        place.parent.mkdir(parents=True, exist_ok=True)
    write_whole(place, clip.sound.content)
    _, failure = write_video(find_video(path), clip.make_video)
    log.info("%s: %s", path, summarise(clip))
    return make_record(clip) | failure
