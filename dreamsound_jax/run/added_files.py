"""Makes the pictures and the videos of clips that were dreamed without, of what was written then.

Nothing is dreamed again: a video shows and plays the sounds in the folder, and a picture is drawn
of the arrays there. The input of a dream is read again.
"""

import functools
import io
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from etils import epath

from dreamsound_jax.audio.files import read_recording
from dreamsound_jax.audio.find import INPUT, VIDEO
from dreamsound_jax.audio.formats import find_sound
from dreamsound_jax.audio.loudness import measure_loudness
from dreamsound_jax.audio.recording import Recording
from dreamsound_jax.audio.rendering import RenderedSound, render_input
from dreamsound_jax.outputs.clip_files import write_pictures, write_video
from dreamsound_jax.outputs.manifest import Manifest
from dreamsound_jax.outputs.page.suffixes import PICTURE, THUMBNAIL
from dreamsound_jax.outputs.thumbnail import draw_thumbnail
from dreamsound_jax.run.clip_facts import analyse_pieces, analyse_recording
from dreamsound_jax.run.dream_files import draw_picture, make_dream_video
from dreamsound_jax.run.jobs import Job
from dreamsound_jax.run.ouroboros_files import draw_ouroboros_picture, make_ouroboros_video
from dreamsound_jax.run.plan import Plan
from dreamsound_jax.run.sources import Source, read_source
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.system.storage import path_of

log = logging.getLogger(__name__)


def add_files(folder: epath.Path, jobs: Sequence[Job], plan: Plan, manifest: Manifest) -> None:
    """Makes what the plan asks for and clips that are done do not have: pictures and videos.

    A warning says which of them cannot be made.

    Args:
      folder: of the run.
      jobs: the clips that are done.
      plan: of the run.
      manifest: where the clips are recorded with their new files.

    Raises:
      StorageError: the folder cannot be written to.
    """
    records = manifest.records()
    lacking = [(job, _list_lacking(records[job.number], plan)) for job in jobs]
    for suffix, name in ((PICTURE, "picture"), (VIDEO, "video")):
        count = sum(suffix in suffixes for _, suffixes in lacking)
        if count:
            clips = f"{name} of 1 clip" if count == 1 else f"{name}s of {count} clips"
            log.info("making the %s, without dreaming again", clips)
    for job, suffixes in lacking:
        if suffixes:
            _add_to_clip(_Written(folder, job, records[job.number], plan), suffixes, manifest)


def _list_lacking(record, plan):
    """Returns the suffixes of the files that a plan asks for and a clip does not have."""
    asked = {PICTURE: plan.draws_pictures, VIDEO: plan.video}
    written = record.get("files", asked)  # A record of an early version does not say.
    return [suffix for suffix, wanted in asked.items() if wanted and suffix not in written]


def _add_to_clip(clip, suffixes, manifest):
    record = dict(clip.record)
    if PICTURE in suffixes:
        sizes, _ = write_pictures(clip.path, clip.pictures())
        record |= {"picture": PICTURE in sizes, "files": record["files"] | sizes}
        if PICTURE in sizes:
            record.pop("picture_failed", None)
    if VIDEO in suffixes:
        sizes, _ = write_video(f"{clip.path}{VIDEO}", clip.make_video)
        record["files"] = record["files"] | sizes
        if sizes:
            record.pop("video_failed", None)
    if record != clip.record:
        manifest.add(record)
        log.info("%s: done", clip.job.name)


class _Written:
    """A clip that is done, by what was written of it."""

    def __init__(self, folder: epath.Path, job: Job, record: Mapping[str, Any], plan: Plan):
        self.job, self.record, self.path, self._plan = job, record, folder / job.name, plan
        self._suffix = find_sound(record["files"])

    def make_video(self) -> bytes:
        """Returns its video, as an MP4 file."""
        source, sound = self._source, self._sound
        if self.job.plan.ouroboros:
            return make_ouroboros_video(source, self._plan, sound=sound, pieces_db=self._pieces_db)
        if self._plan.video_growth:
            raise UserError(
                "--video_growth shows the dream after each pass, which is not kept: name another "
                "--output_dir to dream again with --video"
            )
        front_end, dtype = self.job.plan.card.front_end, self.job.plan.dtype
        return make_dream_video(
            source,
            self._plan,
            input_db=analyse_recording(source.kept_recording, front_end, dtype),
            original=self._read_input(source, sound),
            dream=sound,
        )

    def pictures(self) -> dict[str, Callable[[], bytes]]:
        """Returns what draws each of its pictures as a PNG, by suffix."""
        if self.job.plan.ouroboros:
            return {PICTURE: self._draw_ouroboros, THUMBNAIL: self._draw_small_ouroboros}
        return {PICTURE: self._draw_dream, THUMBNAIL: self._draw_small_dream}

    def _draw_ouroboros(self):
        rounds = self._read_facts()["rounds"]
        names = ("overcooked_db", "moved_db")
        curves = {name: np.array([each[name] for each in rounds]) for name in names}
        return draw_ouroboros_picture(
            self._source,
            sound=self._sound,
            pieces_db=self._pieces_db,
            objective=np.array([each["objective"]["last"] for each in rounds]),
            **curves,
        )

    def _draw_small_ouroboros(self):
        return draw_thumbnail(np.concatenate(self._pieces_db, axis=1))

    def _draw_dream(self):
        input_db, mel_db, change_db = self._read_arrays()
        return draw_picture(
            self._source,
            input_db=input_db,
            mel_db=mel_db,
            change_db=change_db,
            sound=self._sound,
            objective=np.array(self._read_facts()["objective_by_level"]),
        )

    def _draw_small_dream(self):
        return draw_thumbnail(self._read_arrays()[1])

    @functools.cached_property
    def _source(self):
        return read_source(self.job, pads_lengths=self._plan.pads_lengths)

    @functools.cached_property
    def _sound(self):
        return read_recording(f"{self.path}{self._suffix}")

    @functools.cached_property
    def _pieces_db(self):
        """The spectrograms of the input and of each round in dB."""
        front_end = self.job.plan.card.front_end
        return analyse_pieces(self._sound, front_end, self.record["rounds"] + 1)

    def _read_facts(self):
        return json.loads(path_of(f"{self.path}.json").read_text())

    def _read_arrays(self):
        """Returns the spectrograms of input and dream, and what the dream changed, in dB."""
        if ".npz" not in self.record["files"]:
            raise UserError("it is drawn of the .npz, which --noarrays left out")
        with np.load(io.BytesIO(path_of(f"{self.path}.npz").read_bytes())) as arrays:
            input_db, mel_db = arrays["mel_db"]
            return input_db, mel_db, arrays.get("gain_db", mel_db - input_db)

    def _read_input(self, source: Source, sound: Recording) -> Recording:
        """Returns the input as loud as the dream, as it is written beside it, if it is."""
        if f"{INPUT}{self._suffix}" in self.record["files"]:
            return read_recording(f"{self.path}{INPUT}{self._suffix}")
        loudness = measure_loudness(sound.channels, sample_rate=sound.sample_rate)
        return render_input(
            source.kept_recording,
            dream=RenderedSound(b"", sound, loudness, sound.channels),
            target_lufs=source.target_lufs,
            circular=source.plan.is_loop,
        ).recording
