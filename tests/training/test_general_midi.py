"""Phrases of General MIDI instruments are composed and played."""

import importlib.util

import jax
import numpy as np
import pytest

from dreamsound_jax.spectral.front_end import FrontEnd
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.training.datasets import conditions, general_midi, soundfont
from dreamsound_jax.training.datasets.general_midi import SPLITS, render_clip
from dreamsound_jax.training.datasets.phrases import draw_phrase
from dreamsound_jax.training.datasets.soundfont import SoundfontPlayer, find_soundfont
from dreamsound_jax.training.datasets.soundfont_info import check_soundfont
from dreamsound_jax.training.examples import load_examples

FAMILIES = len(general_midi.FAMILIES)


@pytest.fixture(scope="module")
def player():
    if importlib.util.find_spec("tinysoundfont") is None:
        pytest.skip("tinysoundfont is not installed")
    try:
        return SoundfontPlayer(find_soundfont())
    except UserError as error:
        pytest.skip(str(error))


class Recorder:
    """Takes the place of a player: records the requested programs, and plays a click."""

    def __init__(self, sound=1.0):
        self.programs, self.sound = [], sound

    def play(self, notes, *, program, tuning, samples):
        self.programs.append(program)
        sound = np.zeros(samples)
        sound[-1] = self.sound
        return sound


def list_programs(split, count):
    recorder = Recorder()
    for number in range(count):
        render_clip(recorder, split=split, seed=0, number=number)
    return recorder.programs


def test_held_out_instruments_are_never_trained_on(monkeypatch):
    monkeypatch.setattr(conditions, "add_room_and_noise", lambda rng, sound: sound)
    trained, phrases = (set(list_programs(split, 60 * FAMILIES)) for split in SPLITS[:2])
    instruments = set(list_programs("held_out_instruments", FAMILIES))
    assert trained == phrases and len(trained) == 7 * FAMILIES
    assert instruments == {8 * family + 1 for family in range(FAMILIES)}
    assert trained.isdisjoint(instruments)


def test_the_label_is_the_family_of_the_program():
    assert [program // 8 for program in list_programs("train", 40)] == [n % 16 for n in range(40)]


def test_phrases_differ_between_clips_splits_and_seeds():
    sounds = [
        render_clip(Recorder(), split=split, seed=seed, number=number)
        for split in SPLITS
        for seed in (0, 1)
        for number in (0, 16)
    ]
    assert len({sound.tobytes() for sound in sounds}) == len(sounds)


def test_notes_stay_in_the_register_and_fill_the_clip():
    for seed in range(50):
        notes = draw_phrase(np.random.default_rng(seed), (40, 60), 60000)
        starts, stops, keys, velocities = np.array(notes).T
        assert (starts < stops).all() and starts.min() < 30000 < starts.max() <= 60000
        assert keys.min() >= 40 and keys.max() <= 60
        assert velocities.min() >= 1 and velocities.max() <= 127


def test_a_silent_soundfont_is_refused():
    with pytest.raises(UserError, match="only silence for guitar"):
        render_clip(Recorder(sound=0.0), split="train", seed=0, number=3)


def test_a_missing_soundfont_is_named():
    with pytest.raises(UserError, match="no soundfont nowhere.sf2: it must be"):
        find_soundfont("nowhere.sf2")


@pytest.fixture
def recorders(monkeypatch):
    """{soundfont: its `Recorder`} of the soundfonts that are opened; any name is one."""
    opened = {}
    monkeypatch.setattr(general_midi, "find_soundfont", lambda font: font)
    monkeypatch.setattr(
        general_midi, "SoundfontPlayer", lambda font: opened.setdefault(font, Recorder())
    )
    return opened


def test_clips_are_rendered_once(tmp_path, recorders, monkeypatch):
    dataset = general_midi.make_dataset(clips=5, held_out_clips=2, seed=0)
    first = load_examples(dataset, tmp_path, front_end=FrontEnd())
    monkeypatch.delattr(general_midi, "SoundfontPlayer")
    again = load_examples(dataset, tmp_path, front_end=FrontEnd())
    assert [len(first[split]) for split in SPLITS[:-1]] == [5, 2, 2]
    assert np.shape(first["train"].mel_db[0]) == (128, 256)
    assert first["train"].labels.tolist() == [0, 1, 2, 3, 4]
    jax.tree.map(np.testing.assert_array_equal, first["train"].mel_db, again["train"].mel_db)


def test_each_soundfont_plays_its_turn_and_held_out_ones_play_their_split_alone(recorders):
    dataset = general_midi.make_dataset(
        clips=64, held_out_clips=16, seed=0, soundfonts=["a.sf2", "b"], held_out_soundfonts=["c"]
    )
    assert list(dataset.splits) == ["train", "held_out_phrases", "held_out_instruments", "c"]
    read = dataset.open_reader(22050)
    for sound in dataset.splits["train"]:
        read(sound.name)
    families = {font: [each // 8 for each in found.programs] for font, found in recorders.items()}
    assert families == {"a.sf2": list(range(16)) * 2, "b": list(range(16)) * 2, "c": []}
    for sound in dataset.splits["c"]:
        read(sound.name)
    assert [each // 8 for each in recorders["c"].programs] == list(range(16))
    assert len(recorders["a.sf2"].programs) == 32


def test_clips_of_other_soundfonts_and_conditions_are_kept_apart():
    options = {"clips": 16, "held_out_clips": 16, "seed": 0}
    changes = [{}, {"soundfonts": ["a"]}, {"soundfonts": ["a", "b"]}, {"recorded": "wide"}]
    keys = {general_midi.make_dataset(**options, **change).cache_key for change in changes}
    assert len(keys) == len(changes)


def write_soundfont(path, text=b""):
    info = b"INFO" + (b"ICOP" + len(text).to_bytes(4, "little") + text if text else b"")
    chunk = b"LIST" + len(info).to_bytes(4, "little") + info
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"RIFF" + (4 + len(chunk)).to_bytes(4, "little") + b"sfbk" + chunk)
    return str(path)


def test_soundfonts_are_told_apart_by_their_content(tmp_path):
    first = write_soundfont(tmp_path / "FluidR3_GM.sf2", b"by Anna\0")

    def make(font, **options):
        return general_midi.make_dataset(
            clips=16, held_out_clips=16, seed=0, soundfonts=[font], **options
        )

    before, elsewhere = make(first), write_soundfont(tmp_path / "b/FluidR3_GM.sf2", b"by Anna\0")
    assert make(elsewhere).cache_key == before.cache_key
    held_out = make("nowhere", held_out_soundfonts=[first])
    (sound, *_) = held_out.splits["FluidR3_GM"]
    fingerprint = held_out.fingerprint(sound.name)
    write_soundfont(tmp_path / "FluidR3_GM.sf2", b"by Ben.\0")
    assert make(first).cache_key != before.cache_key
    assert make("nowhere", held_out_soundfonts=[first]).fingerprint(sound.name) != fingerprint


@pytest.mark.parametrize(
    ("text", "stated"),
    [
        (b"CC0, by Anna\0", "CC0, by Anna"),
        (b"\xa9 Yamaha\0\0", "\N{COPYRIGHT SIGN} Yamaha"),
        (b"two\nlines\x1b[2J\0", "two lines [2J"),
        (b"", "unknown"),
        (b"\0\0", "unknown"),
    ],
)
def test_the_copyright_of_a_soundfont_is_what_it_states(tmp_path, text, stated):
    font = write_soundfont(tmp_path / "FluidR3_GM.sf2", text)
    dataset = general_midi.make_dataset(clips=16, held_out_clips=16, seed=0, soundfonts=[font])
    assert dataset.source["soundfont"] == f"FluidR3_GM (copyright: {stated})"
    assert dataset.rebuild_needs.startswith("Install the soundfonts FluidR3_GM (Debian: ")
    assert dataset.license == f"that of the soundfonts, which say of their copyright: {stated}"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "must be a soundfont"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "must be a soundfont"),
        (b"version https://git-lfs.github.com/spec/v1", "is only a Git LFS pointer"),
        (b"RIFF\xff\0\0\0sfbkLIST", "is cut short: it must have 263 bytes, and has 16"),
    ],
)
def test_a_broken_soundfont_is_one_line(tmp_path, content, words):
    (tmp_path / "x.sf2").write_bytes(content)
    with pytest.raises(UserError, match=words) as caught:
        check_soundfont(tmp_path / "x.sf2")
    assert str(tmp_path / "x.sf2") in str(caught.value) and str(caught.value).isprintable()


def test_a_soundfont_that_crashes_its_player_is_one_line(tmp_path, monkeypatch):
    pytest.importorskip("tinysoundfont", reason="it plays soundfonts")
    path = write_soundfont(tmp_path / "x.sf2")
    monkeypatch.setattr(
        soundfont, "_TRIAL", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
    )
    with pytest.raises(UserError, match=r"x\.sf2 is damaged: it makes its player crash"):
        SoundfontPlayer(path)
    monkeypatch.setattr(soundfont, "_TRIAL", "")
    with pytest.raises(UserError, match=r"x\.sf2 must be a soundfont, but cannot be read"):
        SoundfontPlayer(path)


@pytest.mark.parametrize(
    "soundfonts",
    [
        {"soundfonts": ["a/x.sf2", "b/x.sf2"]},
        {"soundfonts": ["x"], "held_out_soundfonts": ["x.sf2"]},
        {"soundfonts": ["train"]},
    ],
)
def test_soundfonts_that_cannot_be_told_apart_are_refused(soundfonts):
    with pytest.raises(UserError, match="each soundfont must have a name of its own, got"):
        general_midi.make_dataset(clips=16, held_out_clips=16, seed=0, **soundfonts)


def test_only_clips_to_train_on_are_recorded_in_wide_conditions(recorders, monkeypatch):
    dataset = general_midi.make_dataset(clips=32, held_out_clips=16, seed=0, recorded="wide")
    monkeypatch.setattr(conditions, "record_anywhere", lambda rng, sound: np.full(51200, 9.0))
    read = dataset.open_reader(22050)
    wide = {split: read(sounds[0].name).mean() > 5 for split, sounds in dataset.splits.items()}
    assert wide == {"train": True, "held_out_phrases": False, "held_out_instruments": False}


def test_clips_are_resampled_for_another_front_end(tmp_path, recorders):
    dataset = general_midi.make_dataset(clips=5, held_out_clips=2, seed=0)
    front_end = FrontEnd(sample_rate=16000, n_fft=1024, hop=320, n_mels=64)
    examples = load_examples(dataset, tmp_path, front_end=front_end)
    samples = round(51200 / 22050 * 16000)
    assert np.shape(examples["train"].mel_db[0]) == (64, front_end.frame_count(samples))


def test_a_missing_soundfont_is_reported_once_and_not_for_every_clip(tmp_path):
    with pytest.raises(UserError, match="no soundfont nowhere.sf2: it must be"):
        load_examples(
            general_midi.make_dataset(
                clips=5, held_out_clips=2, seed=0, soundfonts=["nowhere.sf2"]
            ),
            tmp_path,
            front_end=FrontEnd(),
        )


def test_a_clip_depends_on_seed_and_number_alone(player):
    def render(number):
        return render_clip(player, split="train", seed=7, number=number)

    forwards = [render(number) for number in range(0, 48, 5)]
    backwards = [render(number) for number in reversed(range(0, 48, 5))]
    np.testing.assert_array_equal(forwards, backwards[::-1])


def test_every_program_of_every_family_sounds(player):
    notes = [(0, 8000, key, 100) for key in (40, 60, 80)]  # A contrabass has no middle C.
    for program in range(8 * FAMILIES):
        sound = player.play(notes, program=program, tuning=0.0, samples=22050)
        assert sound.shape == (22050,) and np.abs(sound).max() > general_midi.SILENT_PEAK, program


def test_clips_have_their_length_and_a_peak_of_1_and_are_finite(player):
    for number in range(2 * FAMILIES):
        sound = render_clip(player, split="train", seed=3, number=number)
        assert sound.shape == (51200,) and sound.dtype == np.float32
        assert np.isfinite(sound).all() and np.abs(sound).max() == pytest.approx(1)


def test_a_note_sounds_from_its_start_until_its_end(player):
    notes = [(5000, 10000, 69, 100)]
    sound = player.play(notes, program=80, tuning=0.0, samples=30000)
    assert not sound[:4900].any()
    assert np.abs(sound[6000:9000]).max() > 10 * np.abs(sound[20000:]).max()
