"""Says what of a file is not used: what is cut off, left unread, or on other audio tracks."""

import logging

from dreamsound_jax.audio.recording import Decoded

log = logging.getLogger(__name__)

_LEAST_UNREAD_SECONDS = 0.01  # What is shorter is left by programs that write headers badly.


def report_decoded(path: str, decoded: Decoded) -> None:
    """Warns of each thing that was not read of the file at `path`, in a line."""
    if not decoded.is_whole:
        log.warning("%r is cut short or damaged: %s", path, _describe_rest(decoded))
    if decoded.unread_seconds >= _LEAST_UNREAD_SECONDS:
        log.warning(
            "%r holds more sound than its header says: %.2f s of %.2f s are used; an audio editor "
            "that imports it as raw data finds the rest",
            *(path, decoded.seconds, decoded.seconds + decoded.unread_seconds),
        )
    if decoded.tracks > 1:
        _report_track(path, decoded)


def _report_track(path, decoded):
    log.warning(
        "%r has %d audio tracks: track %d is used, %s; to have another one, extract it: "
        "ffmpeg -i FILE -map 0:a:0 NEW_FILE.wav takes the first",
        *(path, decoded.tracks, decoded.track),
        "the loudest, as the usual one is silent" if decoded.is_loudest else "which players play",
    )


def _describe_rest(decoded):
    of = decoded.announced_seconds
    if of is None or of <= decoded.seconds:
        return f"the {decoded.seconds:.2f} s that can be read are used"
    return f"{decoded.seconds:.2f} s of {of:.2f} s can be read, and are used"
