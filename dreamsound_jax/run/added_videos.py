"""Makes the videos of clips that were dreamed without, of what was written then.

Nothing is dreamed again: a video shows and plays the sounds in the folder. The input of a dream is
read again if it was not written beside it.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from etils import epath

from dreamsound_jax.audio.files import read_recording
from dreamsound_jax.audio.find import INPUT, VIDEO
from dreamsound_jax.audio.formats import find_sound
from dreamsound_jax.audio.loudness import measure_loudness
from dreamsound_jax.audio.recording import Recording
from dreamsound_jax.audio.rendering import RenderedSound, render_input
from dreamsound_jax.outputs.clip_files import write_video
from dreamsound_jax.outputs.manifest import Manifest
from dreamsound_jax.run.clip_facts import analyse_pieces, analyse_recording
from dreamsound_jax.run.dreams import make_dream_video
from dreamsound_jax.run.jobs import Job
from dreamsound_jax.run.ouroboroses import make_ouroboros_video
from dreamsound_jax.run.plan import Plan
from dreamsound_jax.run.sources import Source, read_source

log = logging.getLogger(__name__)


def add_videos(folder: epath.Path, jobs: Sequence[Job], plan: Plan, manifest: Manifest) -> None:
    """Makes the videos of those clips that are done and have none; a warning says which cannot be.

    Args:
      folder: of the run.
      jobs: the clips that are done.
      plan: of the run, with the shape of its videos.
      manifest: where the clips are recorded with their videos.

    Raises:
      StorageError: the folder cannot be written to.
    """
    records = manifest.records()
    lacking = [job for job in jobs if VIDEO not in records[job.number].get("files", {VIDEO: 0})]
    if not lacking:
        return
    clips = "1 clip" if len(lacking) == 1 else f"{len(lacking)} clips"
    log.info("making the video of %s that %s dreamed before", clips, _were(lacking))
    for job in lacking:
        record = records[job.number]
        path = f"{folder / job.name}{VIDEO}"
        sizes, _ = write_video(
            path, lambda job=job, record=record: _make(folder, job, record, plan)
        )
        if sizes:
            known = {name: value for name, value in record.items() if name != "video_failed"}
            manifest.add(known | {"files": record["files"] | sizes})
            log.info("%s: its video is made", job.name)


def _were(jobs):
    return "was" if len(jobs) == 1 else "were"


def _make(folder: epath.Path, job: Job, record: Mapping[str, Any], plan: Plan) -> bytes:
    """Returns the video of a clip, as an MP4 file."""
    path, suffix = folder / job.name, find_sound(record["files"])
    sound, source = (
        read_recording(f"{path}{suffix}"),
        read_source(job, pads_lengths=plan.pads_lengths),
    )
    front_end = job.plan.card.front_end
    if job.plan.ouroboros:
        pieces_db = analyse_pieces(sound, front_end, record["rounds"] + 1)
        return make_ouroboros_video(source, plan, sound=sound, pieces_db=pieces_db)
    if f"{INPUT}{suffix}" in record["files"]:
        original = read_recording(f"{path}{INPUT}{suffix}")
    else:
        original = _render_input(source, sound)
    input_db = analyse_recording(source.kept_recording, front_end, job.plan.dtype)
    return make_dream_video(source, plan, input_db=input_db, original=original, dream=sound)


def _render_input(source: Source, sound: Recording) -> Recording:
    """Returns the input of a clip, as loud as its dream."""
    loudness = measure_loudness(sound.channels, sample_rate=sound.sample_rate)
    written = RenderedSound(b"", sound, loudness, sound.channels)
    return render_input(
        source.kept_recording,
        dream=written,
        target_lufs=source.target_lufs,
        circular=source.plan.is_loop,
    ).recording
