"""A job and its sound become what is dreamed on."""

import dataclasses
import re

import jax
import numpy as np
import pytest
import soundfile

from dreamsound_jax.audio.loudness import measure_lufs
from dreamsound_jax.dreaming.keys import draw_class, draw_keys
from dreamsound_jax.networks.card import read_card
from dreamsound_jax.run.batches import fill_batch, place_clips, place_settings
from dreamsound_jax.run.feed import group_into_batches
from dreamsound_jax.run.jobs import list_jobs
from dreamsound_jax.run.sources import Source, draw_targets, read_source
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.system.shipped import shipped
from tests.helpers import tiny
from tests.helpers.sounds import tone

GM = read_card(shipped("checkpoints") / "gm")


def read(path="noise", *, card=tiny.CARD, pads_lengths=False, **changes) -> Source:
    """The first clip of an input; shallow enough for 1 second."""
    given = {"pyramid_size": 1, "clip_length": 12000} | changes
    (job, *_) = list_jobs([str(path)], tiny.plan(card, **given))
    return read_source(job, pads_lengths=pads_lengths)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"pyramid_size": 6, "clip_length": 51200},
            "noise (2.32 s): the pyramid is too deep for this clip: its smallest level would be 4 "
            "mel bands x 8 frames, and a pyramid level needs at least 8 of both",
        ),
        (
            {"layers_to_use": ("mp5",), "pyramid_size": 4, "clip_length": 51200},
            "noise (2.32 s): the pyramid is too deep for this clip: its smallest level would be "
            "16 mel bands x 32 frames, and layer mp5 needs at least 32 mel bands",
        ),
        (
            {"create_ouroboros": True, "layers_to_use": ("iterate",), "pyramid_size": 4},
            "noise (0.54 s): the pyramid is too deep for this clip",
        ),
        (
            {
                "create_ouroboros": True,
                "ouroboros_transform": ("time_stretch", "time_stretch"),
                "ouroboros_stretch": 10.0,
            },
            "noise: --ouroboros_transform: time_stretch by 10 leaves 120 samples of this clip's "
            "12000, less than one frame: give a longer clip, or shorten it less",
        ),
        (
            {"create_ouroboros": True, "ouroboros_length": 99999, "clip_length": 51200},
            "noise: --ouroboros_length must be at most 41941, and is 99999: a WAV file holds no",
        ),
    ],
)
def test_what_is_too_short_or_too_long_is_found_when_a_clip_is_read(changes, message):
    with pytest.raises(UserError) as error:
        read(card=GM, **changes)
    assert str(error.value).startswith(message)


def test_the_pyramid_must_suit_every_round_whatever_the_order_of_the_layers():
    names = GM.architecture.layers
    given = {"create_ouroboros": True, "layers_to_use": ("iterate",), "pyramid_size": 4}
    plan = tiny.plan(GM, **given, clip_length=51200, ouroboros_length=len(names))
    (job,) = list_jobs(["noise"], plan)
    for layers, first in ((names, "output"), (names[::-1], "mp5")):
        clip = dataclasses.replace(job.plan, layers=layers)
        with pytest.raises(UserError, match=f"layer {first} needs at least 32 mel bands"):
            read_source(job._replace(plan=clip))
    shallow = dataclasses.replace(job.plan.ouroboros, length=1)
    clip = dataclasses.replace(job.plan, layers=names[::-1], ouroboros=shallow)
    assert read_source(job._replace(plan=clip)).sound.size == 51200


def test_a_pyramid_that_is_too_deep_for_one_clip_may_suit_another(tmp_path):
    for name, seconds in (("short", 0.2), ("long", 1.0)):
        soundfile.write(tmp_path / f"{name}.wav", tone(seconds=seconds), 22050)
    assert read(tmp_path / "long.wav", pyramid_size=3).sound.size == 22050
    pattern = re.escape(f"{tmp_path / 'short.wav'} (0.20 s): the pyramid is too deep")
    with pytest.raises(UserError, match=pattern):
        read(tmp_path / "short.wav", pyramid_size=3)


def test_clips_share_a_batch_if_their_sounds_have_one_shape(tmp_path):
    """In the domain sound; the domain mel changes mono at 22,050 Hz alone."""
    formats = [(44100, 2), (22050, 1), (44100, 1), (44100, 2), (48000, 2), (44100, 2)]
    for number, (rate, channels) in enumerate(formats):
        sound = np.stack([tone(rate, seconds=1.0)] * channels, axis=1)
        soundfile.write(tmp_path / f"{number}.wav", sound, rate)
    expected = {"sound": [[0, 3], [1], [2], [4], [5]], "mel": [[0, 1], [2, 3], [4, 5]]}
    for domain, batches in expected.items():
        clips = [read(tmp_path / f"{n}.wav", domain=domain) for n in range(len(formats))]
        grouped = group_into_batches(clips, 2, key=lambda clip: clip.shape)
        found = [[int(clip.job.name.split("-")[1]) for clip in batch] for batch in grouped]
        assert sorted(found) == sorted(batches), domain
        rates = [clip.sample_rate for clip in clips]
        assert rates == [rate if domain == "sound" else 22050 for rate, _ in formats]


@pytest.mark.parametrize("rate", [22050, 44100])
def test_padded_lengths_are_few_and_the_share_is_that_of_the_recording(tmp_path, rate):
    sizes = {}
    for length in range(9000, 16385, 601):
        samples = round(length * rate / 22050)
        soundfile.write(tmp_path / "a.wav", tone(rate, seconds=samples / rate), rate)
        source = read(tmp_path / "a.wav", pads_lengths=True)
        padded = len(source.recording.channels)
        sizes[length] = source.sound.size
        assert length <= source.sound.size <= length * 9 / 8 + 1
        assert source.kept_share * padded == pytest.approx(samples)
        assert not np.abs(source.recording.channels[samples:]).any()
    assert len({*sizes.values()}) <= 8
    assert read(tmp_path / "a.wav").kept_share == 1.0


def test_the_loudness_that_is_matched_is_that_of_the_recording_without_its_padding(tmp_path):
    sound = 0.1 * tone(seconds=0.3)
    soundfile.write(tmp_path / "a.wav", sound, 22050, subtype="FLOAT")
    measured = measure_lufs(sound, sample_rate=22050)
    for pads_lengths in (True, False):
        source = read(tmp_path / "a.wav", pads_lengths=pads_lengths, loudness="match")
        assert source.target_lufs == pytest.approx(measured, abs=0.01)
    found = [read(loudness=each).target_lufs for each in ("safe", "-14", "none")]
    assert found == [-23, -14, None]
    # A recording too quiet to have a loudness.
    soundfile.write(tmp_path / "b.wav", 1e-3 * sound, 22050, subtype="FLOAT")
    assert read(tmp_path / "b.wav", loudness="match").target_lufs == -23


def test_draws_are_those_of_the_seed_and_the_number_of_the_draw():
    plan = tiny.plan(layers_to_use=("output",), pyramid_size=1, num_clips=3, seed=5)
    jobs = list_jobs(["noise"], plan)
    sources = [read_source(job) for job in jobs]
    assert len({source.sound.tobytes() for source in sources}) == 3
    for source, job in zip(sources, jobs):
        keys = draw_keys(5, job.draw)
        assert source.target == int(draw_class(keys.target, 6))
        for one, other in zip(source.keys, keys):
            np.testing.assert_array_equal(*map(jax.random.key_data, (one, other)))
    names = {job.name: tiny.CARD.classes[s.target] for job, s in zip(jobs, sources)}
    assert draw_targets(jobs) == names
    assert [source.target_name for source in sources] == [*names.values()]


@pytest.mark.parametrize("name", ["noise", "sine"])
def test_a_sound_that_no_memory_holds_is_refused_before_it_is_made(name):
    (job,) = list_jobs([name], tiny.plan(clip_length=10**12))
    with pytest.raises(UserError, match="1000000000000 samples .* --clip_length must be at most"):
        read_source(job)


def test_a_class_that_was_asked_for_is_not_drawn():
    sweep = {"target_class": ("class_4", "class_1")}
    jobs = list_jobs(["noise"], tiny.plan(sweep=sweep, pyramid_size=1))
    assert draw_targets(jobs) == {"00000-noise": "class_4", "00001-noise": "class_1"}
    assert [read_source(job).target for job in jobs] == [4, 1]
    assert read().target is read().target_name is None
    assert draw_targets(list_jobs(["noise"], tiny.plan())) == {}


@pytest.mark.parametrize("domain", ["sound", "mel"])
def test_a_batch_is_always_full_and_has_the_settings_of_each_clip(domain):
    sweep = {"lr": (0.1, 0.2), "gain_range": (3.0,), "seed": (1, 2)}
    plan = tiny.plan(sweep=sweep, domain=domain, clip_length=12000, pyramid_size=1)
    sources = [read_source(job) for job in list_jobs(["noise"], plan)][:3]
    full = fill_batch(sources, 4)
    assert full[:3] == sources and full[3] is sources[2]
    settings = place_settings(full)
    np.testing.assert_allclose(settings.steps.learning_rate, [0.1, 0.1, 0.2, 0.2])
    assert settings.rolls.shape == (4, 1)
    assert settings.rolls[0] == settings.rolls[2] and settings.rolls.min() >= 0
    clips, mel_db = place_clips(full)
    assert mel_db.shape == clips.spectrogram.shape == (4, 128, 60)
    np.testing.assert_array_equal(clips.sound[0], sources[0].sound)
    if domain == "sound":
        np.testing.assert_array_equal(clips.gain_range, [3.0] * 4)
        np.testing.assert_array_equal(clips.original[1], sources[1].recording.channels.T)
