"""`Dream` and `Ouroboros`, which the Python API returns: their arrays, files and display."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from dreamsound_jax.api.saving import (
    WAV,
    choose_encoding,
    describe_plan,
    picture_html,
    player_html,
    render,
)
from dreamsound_jax.api.sounds import to_recording
from dreamsound_jax.audio.files import Recording
from dreamsound_jax.audio.offset import remove_offsets
from dreamsound_jax.audio.rendering import (
    find_target_lufs,
    render_input,
    render_input_alike,
)
from dreamsound_jax.domains.registry import DOMAINS
from dreamsound_jax.outputs.clip_files import describe_mix
from dreamsound_jax.outputs.dream_picture import DreamPicture, draw_dream
from dreamsound_jax.outputs.video import dream_video, ouroboros_video
from dreamsound_jax.outputs.video_file import encode_video
from dreamsound_jax.run.clip_facts import analyse_pieces, analyse_recording, scale_of
from dreamsound_jax.run.plan import ClipPlan
from dreamsound_jax.system.storage import write_whole


@dataclass(frozen=True)
class Dream:
    """A dreamed sound.

    In a notebook it shows its picture and a player.

    Attributes:
      sound: the dream, shaped as the input: (samples,) or (channels, samples), float32. In the
        domain "mel" it has one channel, and up to a frame less. With `mix` under 1, the dream mixed
        with the input; all other attributes are of the dream alone.
      sample_rate: of `sound`, in Hz.
      input: the input, as it was given.
      input_rate: its sample rate, in Hz.
      input_db: (mel bands, frames), the spectrogram of the input in dB.
      spectrogram_db: (mel bands, frames), the dreamed spectrogram in dB.
      change_db: (mel bands, frames), what the dream did in dB: the gain on the sound, or in the
        domain "mel" the change of the spectrogram.
      climb: (levels, steps), the objective before each step, by pyramid level, as it is at that
        level's resolution.
      distance_db: how far the dream is from the input: the log-spectral distance of their
        spectrograms at equal power.
      objective_before: the objective of the input.
      objective_after: the objective of the dream.
      class_probabilities_before: {class: probability} of the input.
      class_probabilities: {class: probability} of the dream.
      plan: how it was dreamed.
      fault: why the clip stopped; None if it did not. A clip that stopped is like the input.
    """

    sound: np.ndarray
    sample_rate: int
    input: np.ndarray
    input_rate: int
    input_db: np.ndarray
    spectrogram_db: np.ndarray
    change_db: np.ndarray
    climb: np.ndarray
    distance_db: float
    objective_before: float
    objective_after: float
    class_probabilities_before: dict[str, float]
    class_probabilities: dict[str, float]
    plan: ClipPlan
    fault: str | None = None

    def save(
        self,
        path: str,
        *,
        loudness: str | float = "safe",
        bit_depth: str | None = None,
        layout: str | None = None,
    ) -> None:
        """Writes the sound to a file, in the format of its suffix: .wav, .flac, .ogg or .mp3.

        Args:
          path: of the file; local, gs:// or s3://.
          loudness: "safe" for -23 LUFS, "match" for the loudness of the input, or a number of LUFS
            from -70 to 0, with true peaks under -1 dBTP; "none" for the sound as it is. As in
            `--loudness`.
          bit_depth: "16", "24" or, of wav, "32f" for 32-bit float. By default 16, and as many as
            the format has with the loudness "none".
          layout: FFmpeg's name of the layout of more than two channels, such as "5.1"; by default
            none is named.

        Raises:
          UserError: the file cannot be written, the format does not have this bit depth, channels
            or sample rate, or an argument is something else.
        """
        encoding = choose_encoding(path, bit_depth, layout, self.sound, self.sample_rate)
        write_whole(path, self._render(loudness, encoding).content)

    def save_input(
        self,
        path: str,
        *,
        loudness: str | float = "safe",
        bit_depth: str | None = None,
        layout: str | None = None,
    ) -> None:
        """Writes the input to a file, as loud as `save` writes the dream, to compare by ear.

        Args:
          path, loudness, bit_depth, layout: as in `save`.

        Raises:
          UserError: as in `save`.
        """
        encoding = choose_encoding(path, bit_depth, layout, self.input, self.input_rate)
        _, original = self._render_both(loudness, encoding)
        write_whole(path, original.content)

    def save_video(
        self,
        path: str,
        *,
        shape: str = "wide",
        title: str = "Dream",
        loudness: str | float = "safe",
    ) -> None:
        """Writes a video as an MP4 file: spectrograms with a playhead, the input, then the dream.

        Args:
          path: of the file; local, gs:// or s3://.
          shape: "wide", 1920 x 1080 pixels; "square", 1080 x 1080; or "upright", 1080 x 1920.
          title: the first line above the spectrograms, such as "Dream of drums". The second says
            how it was dreamed.
          loudness: as in `save`.

        Raises:
          UserError: the file cannot be written, `shape` or `loudness` is something else, or PyAV
            has no encoder for H.264.

        Example:
          >>> import os, tempfile
          >>> import dreamsound_jax as ds
          >>> tone = np.sin(2 * np.pi * 440 / 22050 * np.arange(22050)).astype(np.float32)
          >>> made = ds.dream(tone, 22050, pyramid_size=1, num_iterations=1)
          >>> path = os.path.join(tempfile.mkdtemp(), "tone.mp4")
          >>> made.save_video(path, shape="square", title="Dream of a tone")
          >>> os.path.getsize(path) > 10_000
          True
        """
        dream, original = self._render_both(loudness)
        plan = self.plan
        front_end = plan.card.front_end
        video = dream_video(
            title,
            describe_plan(plan),
            scale=scale_of(front_end),
            input_db=self.input_db,
            dream_db=analyse_recording(dream.recording, front_end, plan.dtype),
            original=original.recording,
            dream=dream.recording,
        )
        write_whole(path, encode_video(video, shape=shape))

    def _render_both(self, loudness, encoding=WAV):
        """Returns the dream as it is written, and the input to compare with it."""
        original, plan = self._original(), self.plan
        dream = self._render(loudness, encoding)
        given: dict[str, Any] = {
            "dream": dream,
            "target_lufs": find_target_lufs(loudness, original),
            "circular": plan.is_loop,
            "encoding": encoding,
        }
        if plan.where is not None and plan.keeps_original:
            unscaled = np.atleast_2d(self.sound).T
            return dream, render_input_alike(original, unscaled=unscaled, **given)
        return dream, render_input(original, **given)

    def _original(self):
        """Returns the input without an offset, which its dream does not have either."""
        channels, rate = to_recording(self.input, self.input_rate)
        return Recording(remove_offsets(channels, sample_rate=rate).channels, rate)

    def _render(self, loudness, encoding=WAV):
        return render(
            self.sound,
            self.sample_rate,
            loudness,
            self._original(),
            encoding=encoding,
            circular=self.plan.is_loop,
        )

    def picture(self) -> bytes:
        """Draws spectrograms and waveforms, before and after; returns the bytes of a PNG."""
        front_end = self.plan.card.front_end
        return draw_dream(
            DreamPicture(
                title=f"Dream by {self.plan.card.name}{describe_mix(self.plan.mix)}",
                scale=scale_of(front_end),
                before_db=self.input_db,
                after_db=self.spectrogram_db,
                change_db=self.change_db,
                change_label=DOMAINS[self.plan.domain].change_label,
                before=to_recording(self.input, self.input_rate),
                after=to_recording(self.sound, self.sample_rate),
                is_mixed=self.plan.mix != 1,
                objective=self.climb,
                objective_label=self.plan.objective(self.plan.target).label(self.plan.card),
            )
        )

    def _repr_html_(self) -> str:
        wav = self._render("safe").content
        return picture_html(self.picture()) + player_html(wav)


@dataclass(frozen=True)
class Ouroboros:
    """A dream that was fed back into itself.

    In a notebook it shows a player.

    Attributes:
      sound: the input, then each round, one after the other: (samples,) or (channels, samples),
        float32. With `crossfade`, each round fades in over the one before it. With `mix` under 1,
        each round is mixed with the input; all other attributes are of the rounds alone.
      sample_rate: of `sound`, in Hz.
      spectrograms_db: (rounds + 1, mel bands, frames), of the input and of each round, in dB.
      overcooked_db: (rounds,), the overcooked index of each round's sound.
      moved_db: (rounds,), the root mean square change of the spectrogram in each round.
      climb: (rounds, levels, steps), the objective before each step.
      plan: how it was dreamed.
      fault: why the clip stopped, in the first round that did; None if none did.
    """

    sound: np.ndarray
    sample_rate: int
    spectrograms_db: np.ndarray
    overcooked_db: np.ndarray
    moved_db: np.ndarray
    climb: np.ndarray
    plan: ClipPlan
    fault: str | None = None

    def save(
        self,
        path: str,
        *,
        loudness: str | float = "safe",
        bit_depth: str | None = None,
        layout: str | None = None,
    ) -> None:
        """Writes the sound to a file, in the format of its suffix; see `Dream.save`."""
        encoding = choose_encoding(path, bit_depth, layout, self.sound, self.sample_rate)
        rendered = render(
            self.sound, self.sample_rate, loudness, self._original(), encoding=encoding
        )
        write_whole(path, rendered.content)

    def save_video(
        self,
        path: str,
        *,
        shape: str = "wide",
        title: str = "Ouroboros",
        loudness: str | float = "safe",
    ) -> None:
        """Writes a video as an MP4 file: the sound, and the spectrogram of each round.

        Args:
          path, shape, title, loudness: as in `Dream.save_video`.

        Raises:
          UserError: as in `Dream.save_video`.
        """
        plan, front_end = self.plan, self.plan.card.front_end
        count = len(self.spectrograms_db)
        sound = render(self.sound, self.sample_rate, loudness, self._original()).recording
        video = ouroboros_video(
            title,
            describe_plan(plan),
            scale=scale_of(front_end),
            pieces_db=analyse_pieces(sound, front_end, count),
            sound=sound,
            layers=plan.name_rounds(count - 1) if plan.iterates else None,
        )
        write_whole(path, encode_video(video, shape=shape))

    def _original(self):
        samples = self.sound.shape[-1] // len(self.spectrograms_db)
        return to_recording(self.sound[..., :samples], self.sample_rate)

    def _repr_html_(self) -> str:
        wav = render(self.sound, self.sample_rate, "safe", self._original()).content
        return player_html(wav)
