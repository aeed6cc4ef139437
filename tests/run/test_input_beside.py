"""The input beside each dream, their difference, and the input in the dream: whole runs."""

import json

import numpy as np
import pytest
import soundfile

from dreamsound_jax.audio.files import Recording, to_mono
from dreamsound_jax.audio.loudness import measure_lufs
from dreamsound_jax.run.run import run as run_options
from tests.helpers import tiny
from tests.helpers.clips import OF_RUN, facts_of, files_of, records_of, samples_of
from tests.helpers.sounds import RATE, original, tone

SAMPLES = 6144
QUICK = {
    "layers_to_use": ("relu2_2",),
    "pyramid_size": 1,
    "num_iterations": 2,
    "lr": 0.2,
    "plots": False,
    "clip_length": SAMPLES,
    "batch_size": 2,
    "seed": 3,
}
PLAYED = {1: 10 * np.log10(2), 2: 0}  # A mono sound is played by two loudspeakers.


@pytest.fixture
def run(tiny_checkpoint, tmp_path, monkeypatch, caplog):
    """Runs in the folder `tmp_path`; returns the folder of the results."""
    monkeypatch.chdir(tmp_path)

    def call(output_dir="out", **changes):
        given = {"checkpoint": str(tiny_checkpoint), "output_dir": output_dir, **QUICK, **changes}
        assert run_options(tiny.options(**given), command="dreamsound") == 0
        return tmp_path / output_dir

    return call


@pytest.fixture
def stereo(tmp_path):
    """A short and quiet stereo recording, which the network hears as long as noise: its path."""
    scratch = original("vinyl_scratch").channels
    channels = 0.2 * np.concatenate([scratch, 0.5 * scratch[::-1]], axis=1)
    longer = np.resize(channels, (2 * SAMPLES, 2))
    soundfile.write(tmp_path / "two.wav", longer, 2 * RATE, subtype="FLOAT")
    return "two.wav"


def read(wav):
    return soundfile.read(wav, always_2d=True)


def names_in(folder):
    return {path.name for path in folder.iterdir()} - OF_RUN


def likeness(sound, other):
    """The correlation of two sounds (samples, channels); 1 if they differ by a gain alone."""
    return np.corrcoef(sound.ravel(), other.ravel())[0, 1]


def test_each_dream_has_its_input_beside_it_and_what_it_changed(run, stereo):
    domains = ("sound", "mel")
    out = run(input=(stereo, "noise"), sweep={"domain": domains}, loudness="-20")
    for number, (stem, domain) in enumerate((s, d) for s in ("two", "noise") for d in domains):
        name = f"{number:05d}-{stem}"
        (dream, dream_rate), (given, rate) = (
            read(out / f"{name}{suffix}") for suffix in (".wav", ".input.wav")
        )
        assert (rate, given.shape[1]) == ((2 * RATE, 2) if stem == "two" else (RATE, 1))
        assert len(given) / rate == pytest.approx(len(dream) / dream_rate, abs=1 / rate)
        loudness = [
            measure_lufs(sound, sample_rate=its_rate) + PLAYED[sound.shape[1]]
            for sound, its_rate in ((dream, dream_rate), (given, rate))
        ]
        assert loudness[1] == pytest.approx(loudness[0], abs=0.2), name
        if stem == "two":
            assert likeness(given, read(stereo)[0][: len(given)]) > 0.999
        if domain == "sound":
            difference, _ = read(out / f"{name}.difference.wav")
            np.testing.assert_allclose(difference, dream - given, atol=2**-15)
            assert np.abs(difference).max() > 0.01
        else:  # The phases of the dream are new.
            assert not (out / f"{name}.difference.wav").exists()
    for record in records_of(out):
        files = {name for name in names_in(out) if name.startswith(record["name"])}
        assert {record["name"] + suffix for suffix in record["files"]} == files


def test_a_clip_whose_input_file_is_gone_is_dreamed_again_and_others_are_not(run):
    given = {"input": ("noise", "sine")}
    out = run(**given)
    before, other = files_of(out), out / "00001-sine.wav"
    written_at = other.stat().st_mtime_ns
    (out / "00000-noise.input.wav").unlink()
    run(**given)
    assert files_of(out) == before and len(before) == 8
    assert other.stat().st_mtime_ns == written_at


def test_the_input_is_not_written_where_it_is_not_wanted_or_is_in_the_sound(run):
    alone = run("alone", write_input=False)
    assert names_in(alone) == {f"00000-noise{suffix}" for suffix in (".wav", ".npz", ".json")}
    rounds = {"create_ouroboros": True, "ouroboros_length": 2}
    assert names_in(run("ouroboros", **rounds)) == names_in(alone)


def test_padded_clips_have_inputs_as_long_as_they_were(run):
    soundfile.write("odd.wav", tone(seconds=5700 / RATE), RATE)
    out = run(input=("odd.wav",), lengths="buckets")
    lengths = [soundfile.info(path).frames for path in out.glob("*.wav")]
    assert lengths == [5700] * 3


def test_a_mix_is_between_the_input_and_the_dream(run, stereo):
    """Also in the domain mel, where the input is mixed in as the network hears it."""
    out = run(input=(stereo,), sweep={"domain": ("sound", "mel"), "mix": (0.0, 0.5, 1.0)})
    for first, domain in ((0, "sound"), (3, "mel")):
        dry, half, wet = (read(out / f"{first + n:05d}-two.wav")[0] for n in range(3))
        given, rate = read(stereo)
        if domain == "mel":
            given = to_mono(Recording(given.astype(np.float32), rate), sample_rate=RATE)[:, None]
        assert likeness(dry, given[: len(dry)]) > 0.999
        assert likeness(wet, given[: len(dry)]) < 0.97
        # All have one loudness here, and before they were mixed, nearly.
        assert likeness(half, dry + wet) > 0.99
        assert min(likeness(half, dry), likeness(half, wet)) > likeness(dry, wet) + 0.01
    facts = [facts_of(out / f"{number:05d}-two.wav") for number in range(6)]
    assert [each.get("mix") for each in facts] == [0, 0.5, None] * 2
    heard = [json.dumps(each["class_probabilities"]["written_sound"]) for each in facts]
    assert len(set(heard[:3])) == 3
    assert [each["mix"] for each in records_of(out)].count(0.5) == 2
    # A dream that is not mixed is as it is without the option.
    plain = run("plain", input=(stereo,))
    assert samples_of(plain / "00000-two.wav") == samples_of(out / "00002-two.wav")


def test_a_round_of_an_ouroboros_is_mixed_with_the_input_and_is_fed_back_as_it_was(run):
    rounds = {"create_ouroboros": True, "ouroboros_length": 2}
    out = run(sweep={"mix": (0.0, 0.5, 1.0)}, **rounds)
    dry, half, wet = (np.split(read(out / f"{n:05d}-noise.wav")[0], 3) for n in range(3))
    for part in (*dry[1:], half[0], wet[0]):
        assert likeness(part, dry[0]) > 0.999
    for number in (1, 2):
        assert likeness(wet[number], dry[0]) < 0.98
        # All sounds have one loudness, but not their inputs.
        mixed = wet[number] / np.std(wet[0]) + dry[number] / np.std(dry[0])
        assert likeness(half[number], mixed) > 0.999
    mel_db = [np.load(out / f"{n:05d}-noise.npz")["mel_db"] for n in range(3)]
    np.testing.assert_array_equal(mel_db[0], mel_db[2])
