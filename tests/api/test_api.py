"""The Python API, with a tiny network."""

import subprocess
import sys

import numpy as np
import pytest

import dreamsound_jax as ds
from dreamsound_jax.audio.loudness import measure_lufs
from dreamsound_jax.run.run import run
from tests.helpers import tiny
from tests.helpers.sounds import original
from tests.helpers.videos import watch

SHORT = {"pyramid_size": 1, "num_iterations": 2, "lr": 0.1}


@pytest.fixture(scope="module")
def model():
    return tiny.tiny_model()


@pytest.fixture(scope="module")
def drums():
    """A second of stereo drums at 44,100 Hz, (2, samples)."""
    return original("loop_amen").channels[:30000].T


def test_a_dream_climbs_and_keeps_the_shape_the_rate_and_the_level(model, drums):
    made = ds.dream(drums, 44100, model, objective=ds.layer("relu2_2"), **SHORT)
    assert made.sound.shape == drums.shape and made.sample_rate == 44100
    assert made.sound.std() == pytest.approx(drums.std(), rel=1e-3)
    assert made.climb.shape == (1, 2) and made.climb[0, 1] > made.climb[0, 0]
    assert made.spectrogram_db.shape == made.input_db.shape == made.change_db.shape == (128, 75)
    assert sum(made.class_probabilities.values()) == pytest.approx(1, abs=1e-5)
    mono = ds.dream(drums[0], 44100, model, objective=ds.layer("relu2_2"), **SHORT)
    assert mono.sound.shape == drums[0].shape


def test_levels_are_counted_and_the_input_is_written_as_loud_as_the_dream(model, drums, tmp_path):
    counted, given = [], SHORT | {"pyramid_size": 2}

    def count(number, levels):
        counted.append((number, levels))

    made = ds.dream(drums, 44100, model, objective=ds.layer("relu2_2"), on_level=count, **given)
    assert counted == [(1, 2), (2, 2)]
    made.save(str(tmp_path / "dream.wav"))
    made.save_input(str(tmp_path / "input.wav"))
    dream, original = (
        ds.load_sound(str(tmp_path / f"{name}.wav"))[0].T for name in ("dream", "input")
    )
    assert measure_lufs(original, sample_rate=44100) == pytest.approx(
        measure_lufs(dream, sample_rate=44100), abs=0.1
    )
    assert np.corrcoef(original.ravel(), drums.T.ravel())[0, 1] > 0.999


def test_clips_of_a_list_or_of_an_array_are_as_they_are_alone(model, drums):
    clips = [drums, drums[::-1, ::-1].copy()]
    objective = ds.layer("relu2_2") - 0.5 * ds.probability("class_3")
    together = ds.dream(clips, 44100, model, objective=objective, **SHORT)
    stacked = ds.dream(np.stack(clips), 44100, model, objective=objective, **SHORT)
    alone = ds.dream(clips[0], 44100, model, objective=objective, **SHORT)
    assert len(together) == len(stacked) == 2
    np.testing.assert_array_equal(together[1].sound, stacked[1].sound)
    np.testing.assert_allclose(together[0].sound, alone.sound, atol=1e-3)


def test_the_command_dreams_the_same(model, tmp_path):
    """The API and a run share their seeds, their rolls and their programs."""
    path = "tests/data/guit_em9.flac"
    folder = tiny.write_checkpoint(tmp_path / "tiny")
    given = {"layers_to_use": ("relu2_2",), "seed": 3, **SHORT}
    options = ds.Options(
        input=(path,),
        checkpoint=str(folder),
        output_dir=str(tmp_path / "out"),
        plots=False,
        **given,
    )
    assert run(options, command="dreamsound") == 0
    written = np.load(tmp_path / "out/00000-guit_em9.npz")
    sound, rate = ds.load_sound(path)
    made = ds.dream(sound, rate, model, **given)
    np.testing.assert_allclose(written["mel_db"][1], made.spectrogram_db, atol=1e-4)
    np.testing.assert_allclose(written["gain_db"], made.change_db, atol=1e-4)


def test_an_ouroboros_is_the_input_and_its_rounds(model, drums, tmp_path):
    made = ds.ouroboros(
        drums,
        44100,
        model,
        objective=ds.layer("relu2_2"),
        ouroboros_length=2,
        crossfade=False,
        stabilise=False,
        **SHORT,
    )
    assert made.sound.shape == (2, 3 * drums.shape[1])
    np.testing.assert_allclose(made.sound[:, : drums.shape[1]], drums, atol=1e-6)
    assert made.spectrograms_db.shape == (3, 128, 75)
    assert made.overcooked_db.shape == made.moved_db.shape == (2,)
    assert made.fault is None
    loudness = measure(drums, 44100)
    assert measure_saved(made, tmp_path, loudness="match") == pytest.approx(loudness, abs=0.2)
    single = ds.dream(drums, 44100, model, objective=ds.layer("relu2_2"), **SHORT)
    first = made.sound[:, drums.shape[1] : 2 * drums.shape[1]]
    np.testing.assert_allclose(first, single.sound, atol=1e-4)


def test_a_mix_is_of_the_input_and_the_dream(model, drums):
    given = {"objective": ds.layer("relu2_2"), "ouroboros_length": 2, **SHORT}
    wet, half = (ds.ouroboros(drums, 44100, model, mix=mix, **given) for mix in (1, 0.5))
    first, *rounds = np.split(wet.sound, 3, axis=1)
    mixed = np.concatenate([first, *((each + drums) / 2 for each in rounds)], axis=1)
    np.testing.assert_allclose(half.sound, mixed, atol=1e-6)
    del given["ouroboros_length"]
    wet, half = (ds.dream(drums, 44100, model, mix=mix, **given) for mix in (1, 0.5))
    np.testing.assert_allclose(half.sound, (wet.sound + drums) / 2, atol=1e-6)
    np.testing.assert_array_equal(half.spectrogram_db, wet.spectrogram_db)
    with pytest.raises(ds.UserError, match="--mix must be at most 1, and is 1.5"):
        ds.dream(drums, 44100, model, mix=1.5, **given)


def test_any_function_of_activations_is_an_objective(model, drums):
    def brightness(activations):
        return activations["relu1_2"][64:].mean()

    made = ds.dream(
        drums, 44100, model, objective=ds.custom(brightness, ["relu1_2"]), domain="mel", **SHORT
    )
    assert made.climb[0, 1] > made.climb[0, 0]
    assert made.sound.shape[0] == 1 and made.sample_rate == 22050


@pytest.mark.slow
def test_of_several_clips_one_that_stops_says_why_and_the_others_are_dreamed(model, drums):
    tone = np.sin(np.arange(drums.shape[1]) / 9)
    levels = [
        ds.dream(
            clip,
            44100,
            model,
            objective=ds.custom(lambda found: found["relu1_1"].max(), ["relu1_1"]),
            **SHORT,
        ).climb[0, 0]
        for clip in (drums[0], tone)
    ]
    limit = float(np.mean(levels))

    def flat_below(activations):
        values = activations["relu1_1"]
        return values.mean() * (values.max() > limit)

    objective = ds.custom(flat_below, ["relu1_1"])
    made = ds.dream([drums[0], tone], 44100, model, objective=objective, **SHORT)
    faults = [each.fault for each in made]
    assert sorted(fault is None for fault in faults) == [False, True]
    stopped = next(each for each in made if each.fault)
    assert "zero" in stopped.fault
    with pytest.raises(ds.UserError, match="the gradient of relu1_1 is zero"):
        ds.dream(stopped.input, 44100, model, objective=objective, **SHORT)
    with pytest.raises(ds.UserError, match="round 1 stopped"):
        ds.ouroboros(stopped.input, 44100, model, objective=objective, ouroboros_length=1, **SHORT)


def measure(channels, rate):
    return measure_lufs(channels.T, sample_rate=rate)


def measure_saved(made, folder, **changes):
    """The loudness of a dream or an ouroboros when it is saved and read back."""
    made.save(str(folder / "saved.wav"), **changes)
    return measure(*ds.load_sound(str(folder / "saved.wav")))


def test_a_dream_is_saved_and_shows_itself(model, drums, tmp_path):
    quiet = 0.3 * drums
    made = ds.dream(quiet, 44100, model, objective=ds.layer("relu2_2"), **SHORT)
    made.save(str(tmp_path / "dream.wav"))
    sound, rate = ds.load_sound(str(tmp_path / "dream.wav"))
    assert rate == 44100 and np.corrcoef(sound[0], made.sound[0])[0, 1] > 0.999
    of_input, of_dream = (measure(each, 44100) for each in (quiet, made.sound))
    for loudness, lufs in (("match", of_input), (-20, -20), ("none", of_dream)):
        assert measure_saved(made, tmp_path, loudness=loudness) == pytest.approx(lufs, abs=0.2)
    with pytest.raises(ds.UserError, match="loudness must be safe, match, none or a number"):
        made.save(str(tmp_path / "dream.wav"), loudness=3)
    for layout in ("5.1", "no layout"):
        with pytest.raises(ds.UserError, match="layout must be FFmpeg's name of 2 channels"):
            made.save(str(tmp_path / "dream.wav"), layout=layout)
    for name, bit_depth, words in [
        ("a.m4a", None, "must end in one of .wav, .flac"),
        ("a.mp3", "24", "lossy"),
    ]:
        with pytest.raises(ds.UserError, match=words):
            made.save(str(tmp_path / name), bit_depth=bit_depth)
    for name in ("a.flac", "a.OGG", "a.mp3"):
        made.save(str(tmp_path / name))
        again, rate = ds.load_sound(str(tmp_path / name))
        assert rate == 44100 and again.shape == sound.shape
        assert np.corrcoef(again[0], made.sound[0])[0, 1] > 0.95
    html = made._repr_html_()
    assert "data:image/png;base64," in html and "<audio controls" in html


def test_a_dream_and_an_ouroboros_are_saved_as_videos(model, drums, tmp_path):
    path, given = tmp_path / "a.mp4", {"objective": ds.layer("relu2_2"), **SHORT}
    made = ds.dream(0.3 * drums, 44100, model, time="0.1:0.4", **given)
    made.save_video(str(path), shape="square", title="Drums", loudness="match")
    watched = watch(path.read_bytes())
    half = drums.shape[1]
    pair = watched.sound[:half], watched.sound[half : 2 * half]
    # With a range of time, what lies outside is as loud as it was.
    outside = [each[22000:] for each in pair]
    assert np.std(outside[0] - outside[1]) < 0.15 * np.std(outside[1])
    assert np.corrcoef(pair[1][:, 0], made.sound[0])[0, 1] > 0.98
    rounds = ds.ouroboros(drums, 44100, model, ouroboros_length=2, **given)
    rounds.save_video(str(path), shape="square")
    assert watch(path.read_bytes()).seconds[0] == pytest.approx(3 * half / 44100, abs=0.04)
    with pytest.raises(ds.UserError, match="no such shape of videos: 'round'"):
        made.save_video(str(path), shape="round")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lrr": 1}, r"no option 'lrr' \(did you mean lr\?\)"),
        ({"lr": "0.1"}, "lr must be of the type float, and is '0.1'"),
        ({"lr": float("nan")}, "lr must be a finite number"),
        ({"num_iterations": 0}, "num_iterations must be at least 1"),
        ({"ouroboros_length": 3}, "no option 'ouroboros_length'"),
        ({"objective": 3}, "the objective must be an Objective"),
        ({"objective": "relu9_4"}, "no layer or class 'relu9_4'"),
        ({"objective": "channel(relu3_4, 0:4)"}, "must be a whole number, and is .0:4."),
        ({"objective": ds.layer("relu6_1")}, "no layer 'relu6_1'"),
        ({"objective": ds.probability("organ")}, "no class 'organ'"),
        ({"layers_to_use": "relu9"}, "no layer 'relu9'"),
        (
            {"objective": ds.custom(lambda found: found["mp1"].mean(axis=(0, 1)), ["mp1"])},
            r"a function must return one number of a float type, got an array of shape \(4,\)",
        ),
    ],
)
def test_what_is_not_possible_is_said_in_one_line(model, drums, changes, message):
    with pytest.raises(ds.UserError, match=message) as caught:
        ds.dream(drums, 44100, model, **{**SHORT, **changes})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("sound", "rate", "message"),
    [
        (np.zeros((9, 2)), 44100, r"must have the shape .* and has \(9, 2\)"),
        (np.zeros(0), 44100, "must have the shape"),
        (np.full(9999, np.nan), 44100, "NaN or infinite"),
        (np.zeros(9999), 44100, "silent"),
        (np.ones(9999), 0, "sample rate must be a whole number above 0"),
        ([np.ones(9999), np.ones(9998)], 44100, "must have one shape, and have"),
    ],
)
def test_sounds_that_cannot_be_dreamed_are_refused(model, sound, rate, message):
    with pytest.raises(ds.UserError, match=message):
        ds.dream(sound, rate, model, **SHORT)


def test_importing_the_package_changes_nothing_in_the_process():
    code = (
        "import gc, logging, sys; before = gc.get_threshold(), logging.root.handlers[:], "
        "logging.raiseExceptions; import dreamsound_jax as ds; "
        "assert 'jax' not in sys.modules; ds.dream, ds.Options; import jax; "
        "assert before == (gc.get_threshold(), logging.root.handlers[:], logging.raiseExceptions); "
        "assert jax.config.jax_compilation_cache_dir is None and not jax.config.jax_enable_x64; "
        "assert set(ds.__all__) <= set(dir(ds)); [getattr(ds, name) for name in ds.__all__]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
