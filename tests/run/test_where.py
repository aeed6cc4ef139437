"""`--time`, `--frequency` and `--mask`, from the command line to the samples."""

import io
import json
import os

import numpy as np
import pytest
import soundfile

import dreamsound_jax as ds
from dreamsound_jax.run.mask_file import read_mask
from dreamsound_jax.run.run import run as run_options
from tests.helpers import tiny
from tests.helpers.clips import facts_of
from tests.helpers.commands import dream, finish, parse, start
from tests.helpers.sounds import original

RATE = 44100
SHORT = {"pyramid_size": 2, "num_iterations": 2, "lr": 0.3, "layers_to_use": ("relu2_2",)}


@pytest.fixture(scope="module")
def model():
    return tiny.tiny_model()


@pytest.fixture(scope="module")
def drums():
    """0.9 s of stereo drums, (2, samples)."""
    return original("loop_amen").channels[: round(0.9 * RATE)].T


def find_inside(drums, *ranges):
    times = np.arange(drums.shape[1]) / RATE
    return np.any([(times >= begin) & (times < end) for begin, end in ranges], axis=0)


@pytest.mark.parametrize(
    ("time", "ranges"),
    [
        ("0.2:0.6", [(0.2, 0.6)]),
        ((":0.25", "0.5:0.8"), [(0, 0.25), (0.5, 0.8)]),
        (((0.5, 0.9),), [(0.5, 1)]),
        ("0.61:", [(0.61, 1)]),
    ],
)
def test_outside_of_the_ranges_every_bit_is_that_of_the_input(model, drums, time, ranges):
    inside = find_inside(drums, *ranges)
    for changes in (
        {},
        {"mix": 0.3},
        {"strength": 60.0, "amount": 0.7},
        {"frequency": "100:5000", "views": 2, "until": 3.0},
    ):
        made = ds.dream(drums, RATE, model, time=time, **SHORT | changes)
        np.testing.assert_array_equal(made.sound[:, ~inside], drums[:, ~inside])
        for begin, end in ranges:
            part = find_inside(drums, (begin, end))
            assert np.abs(made.sound[:, part] - drums[:, part]).max() > 0.002


def test_outside_of_the_frequencies_the_spectrum_is_that_of_the_input(model, drums):
    ranges = ("300:900", "3000:6000")
    made = ds.dream(drums, RATE, model, frequency=ranges, **SHORT)
    centres = model.card.front_end.band_centres
    inside = np.any(
        [(centres > low) & (centres < high) for low, high in [(300, 900), (3000, 6000)]], 0
    )
    assert not made.change_db[~inside].any()
    assert np.abs(made.change_db[inside]).mean() > 0.5
    difference, input_power = (
        np.abs(np.fft.rfft(np.hanning(each.shape[1]) * each)) ** 2
        for each in (made.sound - drums, drums)
    )
    hz = np.fft.rfftfreq(drums.shape[1], 1 / RATE)

    def change_db(low, high):
        part = (hz > low) & (hz < high)
        return 10 * np.log10(difference[:, part].sum() / input_power[:, part].sum())

    # A window of 20 ms has side lobes, which fall quickly.
    assert max(change_db(0, 150), change_db(1300, 2500), change_db(7000, 20000)) < -35
    assert min(change_db(400, 800), change_db(3500, 5500)) > -12


def test_in_the_domain_mel_the_cells_outside_are_those_of_the_input(model, drums):
    made = ds.dream(drums, RATE, model, domain="mel", time="0.3:0.6", frequency="500:4000", **SHORT)
    front_end = model.card.front_end
    times = np.arange(made.change_db.shape[1]) * front_end.seconds_per_frame
    outside = (times < 0.3) | (times > 0.6)
    centres = front_end.band_centres
    assert not made.change_db[:, outside].any()
    assert not made.change_db[(centres < 500) | (centres > 4000)].any()
    np.testing.assert_allclose(
        made.spectrogram_db[:, outside], made.input_db[:, outside], atol=1e-4
    )
    middle = made.change_db[:, (times > 0.4) & (times < 0.5)]
    assert np.abs(middle[(centres > 700) & (centres < 3000)]).mean() > 0.2


def test_a_mask_in_a_file_says_how_much_of_the_dream_each_cell_takes(model, drums, tmp_path):
    path, shape = str(tmp_path / "mask.npy"), (128, 100)
    mask = np.zeros(shape, np.float32)
    mask[:, 20:50] = 1
    np.save(path, mask)
    made = ds.dream(drums, RATE, model, mask=path, **SHORT)
    assert not made.change_db[:, :20].any() and not made.change_db[:, 50:].any()
    assert made.change_db[:, 20].any() and made.change_db[:, 49].any()
    untouched = ~find_inside(drums, (0.16, 0.48))
    np.testing.assert_array_equal(made.sound[:, untouched], drums[:, untouched])
    both = ds.dream(drums, RATE, model, mask=path, time="0.3:", **SHORT)
    untouched = ~find_inside(drums, (0.3, 0.48))
    np.testing.assert_array_equal(both.sound[:, untouched], drums[:, untouched])
    assert both.change_db.any()


def test_a_mask_is_read_again_when_its_file_has_changed(tmp_path):
    path = str(tmp_path / "mask.npy")
    for share in (0.25, 0.5):
        np.save(path, np.full((2, 2), share))
        os.utime(path, (share, share))
        assert (read_mask(path) == share).all()


@pytest.mark.slow
def test_the_command_writes_what_is_outside_bit_for_bit(tiny_checkpoint, tmp_path, monkeypatch):
    """In one batch, with another range for each clip; padding changes nothing."""
    monkeypatch.chdir(tmp_path)
    channels = original("loop_amen").channels[: round(0.7 * RATE)]
    soundfile.write("drums.wav", channels, RATE, subtype="FLOAT")
    words = ("drums.wav", "--sweep=time=0.1:0.3,0.2:0.3+0.5:", "--loudness=none", "--batch_size=2")
    words += ("--layers_to_use=relu2_2", "--pyramid_size=2", "--num_iterations=2", "--noplots")
    words += (f"--checkpoint={tiny_checkpoint}", "--lengths=buckets", "--seed=3")
    printed = dream(*words, "--output_dir=out", cwd=tmp_path)
    assert "2 clips" in printed
    ranges = ([(0.1, 0.3)], [(0.2, 0.3), (0.5, 1)])
    for number, (each, typed) in enumerate(zip(ranges, ("0.1:0.3", "0.2:0.3,0.5:"))):
        wav = tmp_path / f"out/{number:05d}-drums.wav"
        sound, _ = soundfile.read(wav, dtype="float32")
        inside = find_inside(channels.T, *each)
        np.testing.assert_array_equal(sound[~inside], channels[~inside])
        assert np.abs(sound - channels)[inside].max() > 0.002
        assert facts_of(wav)["time"] == typed
    flags = json.loads((tmp_path / "out/params.json").read_text())["flags"]
    assert flags["sweep"] == {"time": [["0.1:0.3"], ["0.2:0.3", "0.5:"]]}
    alone = parse(
        *(word for word in words if "sweep" not in word), "--time=0.2:0.3,0.5:", "--output_dir=one"
    )
    assert run_options(alone, command="dreamsound") == 0
    gains = [
        np.load(tmp_path / each)["gain_db"]
        for each in ("out/00001-drums.npz", "one/00000-drums.npz")
    ]
    np.testing.assert_allclose(*gains, atol=1e-2)


@pytest.mark.slow
@pytest.mark.parametrize("loudness", ["none", "-23"])
def test_the_difference_is_silent_outside(loudness, tiny_checkpoint, tmp_path, monkeypatch):
    """The input beside the dream has its gain, and not its loudness."""
    monkeypatch.chdir(tmp_path)
    channels = original("loop_amen").channels[: round(0.7 * RATE)]
    soundfile.write("drums.wav", channels, RATE, subtype="FLOAT")
    words = ("drums.wav", "--time=0.2:0.4", f"--loudness={loudness}", "--noplots", "--seed=3")
    words += ("--layers_to_use=relu2_2", "--pyramid_size=2", "--num_iterations=2")
    options = parse(*words, f"--checkpoint={tiny_checkpoint}", "--output_dir=out")
    assert run_options(options, command="dreamsound") == 0
    sound, given, difference = (
        soundfile.read(tmp_path / f"out/00000-drums{suffix}.wav", dtype="float32")[0]
        for suffix in ("", ".input", ".difference")
    )
    inside = find_inside(channels.T, (0.2, 0.4))
    levels = [np.std(each) for each in (difference[~inside], sound[~inside], difference[inside])]
    assert levels[0] <= {"none": 0, "-23": 2e-3}[loudness] * levels[1]
    assert levels[2] > 0.05 * levels[1]
    assert np.std(given) > 0


@pytest.mark.parametrize(
    "word", ["1.2:0.5", "1:1", "-1:2", "1", "a:b", "1:2:3", ":", "nan:1", "1:inf", "", ":0"]
)
@pytest.mark.parametrize("name", ["time", "frequency"])
def test_what_is_no_range_is_named(model, drums, name, word):
    unit = {"time": "seconds", "frequency": "Hz"}[name]
    with pytest.raises(ds.UserError) as error:
        ds.dream(drums, RATE, model, **{name: word})
    assert str(error.value).startswith(
        f"--{name} must be a range FROM:TO in {unit}, with 0 <= FROM"
    )
    assert str(error.value).endswith(f"and is {word!r}")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"time": ()}, "--time must not be empty; leave it out to dream everywhere"),
        (
            {"time": "0.5:2"},
            "the sound: --time must lie within the clip, 0 to 0.9 s, and is 0.5:2;",
        ),
        ({"time": "1:"}, "the sound: --time must lie within the clip, 0 to 0.9 s, and is 1:;"),
        ({"time": "0.5:0.51"}, "--time=0.5:0.51 is too narrow: it must hold a whole frame"),
        ({"frequency": "500:510"}, "--frequency=500:510 is too narrow: it must hold a whole mel"),
        ({"frequency": "12000:"}, "--frequency must begin below 11025 Hz, the highest frequency"),
        ({"time": (0.5, 1.2)}, r"--time must contain only strings, and is (0.5, 1.2)"),
        ({"mask": "missing.npy"}, "'missing.npy' is not: No such file or directory"),
    ],
)
def test_what_cannot_be_dreamed_is_said_in_one_line(model, drums, options, message):
    with pytest.raises(ds.UserError) as error:
        ds.dream(drums, RATE, model, **options)
    assert message in str(error.value) and "\n" not in str(error.value)


class Harmful:
    """Writes a file when it is unpickled."""

    def __reduce__(self):
        return open, ("harmed", "w")


def save(array, **keywords) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **keywords)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            save(np.array([Harmful()]), allow_pickle=True),
            "with an array of numbers, and 'mask.npy'",
        ),
        (b"no array", "must be a .npy file with an array of numbers, and 'mask.npy' is not"),
        (save(np.ones((128, 100)))[:500], "must be a .npy file with an array of numbers"),
        (save(np.full((128, 100), np.nan)), "must hold numbers from 0 to 1, and holds nan"),
        (save(np.full((128, 100), 1.5)), "must hold numbers from 0 to 1, and holds 1.5"),
        (save(np.full((128, 100), -1)), "must hold numbers from 0 to 1, and holds -1"),
        (save(np.zeros((128, 100))), "must have a number above 0 somewhere, and has none"),
        (save(np.full((128, 100), "a")), "must hold numbers, and holds <U1"),
        (
            save(np.ones((100, 128))),
            "spectrogram, (128, 100) (mel bands, frames), and has (100, 128)",
        ),
        (save(np.ones(())), "(mel bands, frames), and has ()"),
    ],
)
def test_a_mask_that_cannot_be_used_is_named(model, drums, content, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mask.npy").write_bytes(content)
    with pytest.raises(ds.UserError) as error:
        ds.dream(drums, RATE, model, mask="mask.npy", **SHORT)
    assert message in str(error.value) and "--mask" in str(error.value)
    assert not (tmp_path / "harmed").exists()


@pytest.mark.parametrize("option", [{"time": "0:0.5"}, {"frequency": ":500"}])
def test_an_ouroboros_dreams_everywhere(model, drums, option):
    (name,) = option
    with pytest.raises(ds.UserError, match=f"--{name} and --create_ouroboros must not both"):
        ds.ouroboros(drums, RATE, model, **option)


@pytest.mark.parametrize("flag", ["--time=1.2:0.5", "--time=500:600", "--mask=missing.npy"])
def test_the_command_ends_with_one_line(flag, tiny_checkpoint, tmp_path):
    given = ("--noplots", f"--checkpoint={tiny_checkpoint}", "--layers_to_use=relu2_2")
    code, printed = finish(start(flag, *given, cwd=tmp_path))
    assert code == 2
    (line,) = [line for line in printed.splitlines() if "must" in line]
    assert flag.split("=")[1] in line
    assert not (tmp_path / "outputs").exists()
