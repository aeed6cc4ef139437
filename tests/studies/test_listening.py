"""The listening test: its clips tell nothing, and answers are read strictly and scored right."""

import base64
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from dreamsound_jax.audio.decoding import decode_sound
from dreamsound_jax.audio.files import read_recording
from dreamsound_jax.audio.loudness import measure_lufs
from dreamsound_jax.system.errors import UserError
from studies.listening import inputs, phrases, results, statistics
from studies.listening.answers import Answers, read_answers
from studies.listening.arrange import arrange
from studies.listening.clips import CONTROL, DREAM, PHRASE, Clip, fit_length, render_clips
from studies.listening.key import Key, Trial, read_key, write_key
from studies.listening.page import ANSWERS, make_page
from studies.listening.score import compare, score
from tests.helpers.sounds import white_noise

SCRIPTS = Path(__file__).parents[2] / "scripts"
CLASSES = ("pipe", "guitar", "xylophone")
SAMPLES = 11025
FACTS = {"command": "python scripts/listening_test.py", "date": "2026-11-27"}


def make_key(sources=4, phrases=2, repeats=3):
    """A key of dreams of each input towards each class, controls, phrases and repeats."""
    names = [f"input_{number}" for number in range(sources)]
    known = [(DREAM, source, target) for source in names for target in CLASSES]
    known += [(CONTROL, source, None) for source in names]
    known += [(PHRASE, f"{name} {turn}", name) for name in CLASSES for turn in range(phrases)]
    trials = [Trial(f"{number:08x}", *each, None) for number, each in enumerate(known)]
    again = [trial._replace(id=f"again{trial.id}", repeats=trial.id) for trial in trials[:repeats]]
    return Key("0123456789abcdef", CLASSES, (*trials, *again), FACTS)


def answer(key, choose, listeners=1):
    """The answers of listeners, `choose(listener, trial)` being the class that each chooses."""
    chosen = [[choose(one, trial) for trial in key.trials] for one in range(listeners)]
    choices = np.array([[CLASSES.index(name) for name in row] for row in chosen])
    return Answers([f"{one:08x}" for one in range(listeners)], choices, np.ones_like(choices))


def score_of(key, answers):
    return score(compare(key, answers))


def make_clips():
    sounds = [white_noise(SAMPLES, seed) * 10.0**-seed for seed in range(6)]
    kinds = [(DREAM, "crow", name) for name in CLASSES]
    kinds += [(CONTROL, "crow", None), (PHRASE, "a", "pipe"), (PHRASE, "b", "guitar")]
    return [Clip(*kind, sound) for kind, sound in zip(kinds, sounds)]


def make_test(seed=0, repeats=2):
    return arrange(make_clips(), CLASSES, repeats=repeats, seed=seed, facts=FACTS)


def test_clips_differ_in_nothing_but_their_samples():
    sounds = make_test().sounds.values()
    headers = {content[: content.index(b"data") + 8] for content in sounds}
    assert len(headers) == 1 and len({len(content) for content in sounds}) == 1
    decoded = [decode_sound(content) for content in sounds]
    lufs = [measure_lufs(each.channels, sample_rate=each.sample_rate) for each in decoded]
    assert np.ptp(lufs) < 0.1  # They were from 0 to -100 dB.
    assert len({each.channels.tobytes() for each in decoded}) == 6
    for each in decoded:
        assert np.abs(each.channels[[0, -1]]).max() < 1e-3


def test_the_page_tells_nothing_of_what_a_clip_is():
    test = make_test()
    html = make_page(test, seconds=0.5, send_to="ann@example.org <3")
    data = json.loads(re.search(r'id="data">(.*?)</script>', html, re.DOTALL)[1])
    assert [choice["name"] for choice in data.pop("choices")] == list(CLASSES)
    assert data.pop("format") == ANSWERS and data.pop("test") == test.key.test
    assert len(data.pop("level")) > 1000
    assert set(data) == {"sounds", "trials"}  # Of these, there are random names alone.
    assert list(data["sounds"]) == list(test.sounds)
    assert data["trials"] == [{"id": name, "sound": test.heard[name]} for name in test.heard]
    names = [*test.sounds, *test.heard]
    assert all(re.fullmatch("[0-9a-f]{8}", name) for name in names)
    assert not re.search('://|src=|href="[^d]', html) and "ann@example.org &lt;3" in html


def test_names_and_order_are_drawn_by_the_seed_and_are_no_order_of_kinds():
    first, same, other = make_test(), make_test(), make_test(seed=1)
    assert first == same
    assert first.key.test != other.key.test and not set(first.sounds) & set(other.sounds)
    kinds = {tuple(trial.kind for trial in make_test(seed).key.trials) for seed in range(4)}
    assert len(kinds) == 4
    again = [trial for trial in first.key.trials if trial.repeats]
    assert len(again) == 2 and len(first.heard) == 8
    assert all(first.heard[trial.id] == first.heard[trial.repeats] for trial in again)


def test_a_perfect_listener_is_right_and_a_stubborn_one_is_at_chance():
    key = make_key()
    perfect = score_of(key, answer(key, lambda _, trial: trial.target or "pipe", listeners=3))
    assert perfect.shares[DREAM].mean == perfect.shares[PHRASE].mean == perfect.alike.mean == 1
    assert 0.8 < perfect.shares[DREAM].low < 1  # 36 answers are no certainty.
    assert perfect.above_controls.mean == pytest.approx(2 / 3) and perfect.p < 0.001
    stubborn = score_of(key, answer(key, lambda *_: "pipe", listeners=3))
    assert stubborn.shares[DREAM].mean == pytest.approx(1 / 3)
    assert stubborn.above_controls.mean == pytest.approx(0) and stubborn.p == 1


def test_what_is_heard_in_an_input_counts_for_nothing():
    # Listeners hear each input, and all of its dreams, as the class of its number.
    key = make_key(sources=6)
    heard = score_of(key, answer(key, lambda _, trial: CLASSES[ord(trial.source[-1]) % 3], 5))
    assert heard.shares[DREAM].mean == pytest.approx(1 / 3)
    assert heard.above_controls.low <= 0 <= heard.above_controls.high and heard.p == 1


def draw_hits(rng, listeners, sources, share=0.5):
    """Hits whose probability depends on the listener and the input: (hits, source of each)."""
    by_listener, by_source = rng.normal(0, 0.7, (listeners, 1)), rng.normal(0, 0.7, sources)
    of_clip = np.repeat(np.arange(sources), 4)
    logit = by_listener + by_source[of_clip]
    return (rng.random(logit.shape) < 1 / (1 + np.exp(-logit))).astype(float), of_clip


@pytest.mark.parametrize(("listeners", "sources"), [(8, 5), (3, 5), (20, 8)])
def test_intervals_cover_the_truth(listeners, sources, monkeypatch):
    monkeypatch.setattr(statistics, "RESAMPLES", 400)
    rng, covered = np.random.default_rng(0), 0
    for _ in range(300):
        found = statistics.estimate_share(*draw_hits(rng, listeners, sources))
        covered += found.low <= 0.5 <= found.high
    assert covered >= 0.92 * 300


def test_chance_is_significant_as_often_as_it_says(monkeypatch):
    monkeypatch.setattr(statistics, "PERMUTATIONS", 200)
    rng, targets, sources = np.random.default_rng(0), np.tile(range(3), 4), np.repeat(range(4), 3)
    # All listeners hear much the same in a sound, and prefer a class: both do not matter.
    found = []
    for _ in range(200):
        shared = rng.choice(3, (1, 12), p=[0.6, 0.3, 0.1])
        choices = np.where(rng.random((6, 12)) < 0.7, shared, rng.integers(3, size=(6, 12)))
        found.append(statistics.permutation_test(choices, targets, sources))
    assert np.mean(np.array(found) <= 0.05) < 0.09
    assert np.mean(np.array(found) <= 0.5) == pytest.approx(0.5, abs=0.12)


def test_one_listener_is_reported_with_a_warning():
    key = make_key()
    answers = answer(key, lambda _, trial: trial.target or "pipe")
    heard = compare(key, answers)
    text = results.format_results(key, answers, heard, score(heard))
    assert "1 listener answered 25 clips each" in text and "Only one listener" in text
    assert "| dreams | 12 | 12 | 100 (76 to 100) | 33.3 |" in text
    assert "| real phrases | 6 | 6 | 100 (61 to 100) | 33.3 |" in text
    assert "| pipe | 4 of 4 | 0 of 8 | 4 of 4 | 2 of 2 |" in text
    assert "| `00000000` | 12 of 12 | 6 of 6 | 3 of 3 | 1.0 |" in text


def test_a_test_without_phrases_and_repeats_is_scored():
    key = make_key(phrases=0, repeats=0)
    answers = answer(key, lambda *_: "guitar", 2)
    heard = compare(key, answers)
    text = results.format_results(key, answers, heard, score(heard))
    assert "\n| real phrases" not in text and "\n| clips that were heard twice" not in text
    assert "| `00000001` | 4 of 12 | – | – | 1.0 |" in text


def make_entries(key, listener="1f"):
    answers = [{"clip": trial.id, "choice": "pipe", "plays": 2} for trial in key.trials]
    return {"format": ANSWERS, "test": key.test, "listener": listener, "answers": answers}


def test_answers_are_read_by_file_by_pattern_and_by_folder(tmp_path):
    key = make_key()
    for name in ("a", "b"):
        (tmp_path / f"{name}.json").write_text(json.dumps(make_entries(key, name)))
    for names in (["a.json", "b.json"], ["*.json"], [""], ["a.json", "*.json"]):
        found = read_answers([str(tmp_path / name) for name in names], key)
        assert found.listeners == ["a", "b"]
        assert found.choices.tolist() == [[0] * 25] * 2 and found.plays[0, 0] == 2


def change(place, value):
    """A change of the first answer."""
    return lambda entries: entries["answers"][0].update({place: value})


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda entries: entries.update(test="another"), "another test"),
        (lambda entries: entries.update(format="else"), "must hold the answers"),
        (lambda entries: entries["answers"].pop(), "damaged"),
        (lambda entries: entries["answers"].append(entries["answers"][0]), "damaged"),
        (lambda entries: entries.update(answers=None), "damaged"),
        (lambda entries: entries.update(answers=[1]), "damaged"),
        (change("clip", "unknown"), "damaged"),
        (change("clip", []), "damaged"),
        (change("choice", "organ"), "damaged"),
        (change("choice", 0), "damaged"),
        (change("plays", 0), "damaged"),
        (change("plays", "1"), "damaged"),
    ],
)
def test_answers_that_are_damaged_or_foreign_are_refused(tmp_path, damage, message):
    key, path = make_key(), tmp_path / "answers.json"
    entries = make_entries(key)
    damage(entries)
    path.write_text(json.dumps(entries))
    with pytest.raises(UserError, match=message) as refused:
        read_answers([str(path)], key)
    assert "answers.json" in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 10**5, b"\xff\xfe", b"[1]"])
def test_what_is_no_file_of_answers_is_refused(tmp_path, content):
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(UserError, match="x.json"):
        read_answers([str(tmp_path)], make_key())


def test_a_listener_counts_once_and_there_must_be_one(tmp_path):
    key = make_key()
    for name in ("a", "b"):
        (tmp_path / f"{name}.json").write_text(json.dumps(make_entries(key)))
    with pytest.raises(UserError, match=r"b\.json and .*a\.json are answers of the same listener"):
        read_answers([str(tmp_path)], key)
    with pytest.raises(UserError, match="none at 'nowhere'"):
        read_answers(["nowhere"], key)


def test_a_key_is_read_as_it_was_written_and_not_lost(tmp_path):
    path = tmp_path / "key.json"
    write_key(path, make_test().key)
    assert read_key(path) == make_test().key
    write_key(path, make_test().key)
    with pytest.raises(UserError, match="is the key of another test"):
        write_key(path, make_test(seed=1).key)
    entries = json.loads(path.read_text())
    for damage in ({"kind": "else"}, {"repeats": "none"}, {"target": "organ"}):
        damaged = [entries["trials"][0] | damage, *entries["trials"][1:]]
        path.write_text(json.dumps(entries | {"trials": damaged}))
        with pytest.raises(UserError, match="damaged"):
            read_key(path)
    del entries["trials"]
    path.write_text(json.dumps(entries))
    with pytest.raises(UserError, match="not the whole key"):
        read_key(path)
    with pytest.raises(UserError, match="cannot be read: No such file"):
        read_key(tmp_path / "none.json")


def test_inputs_are_as_long_as_asked_and_have_names_of_their_own(tmp_path):
    made = inputs.read_inputs(["noise", "noise", "sine", "drums"], seconds=0.5, seed=0)
    assert list(made) == ["noise", "noise_1", "sine", "drums"]
    assert {sound.shape for sound in made.values()} == {(SAMPLES,)}
    assert not np.array_equal(made["noise"], made["noise_1"])
    assert len(inputs.read_inputs([], seconds=2.3, seed=0)) == 5
    with pytest.raises(UserError, match="nowhere"):
        inputs.read_inputs(["nowhere.wav"], seconds=0.5, seed=0)


def test_real_sounds_are_taken_from_a_folder_of_each_class(tmp_path):
    for name in ("pipe", "guitar"):
        (tmp_path / name).mkdir()
        for number in range(3):
            soundfile.write(tmp_path / name / f"{number}.wav", white_noise(3000, number), 44100)
    found = phrases.read_phrases(tmp_path, ["pipe", "guitar"], 2, seconds=0.5, seed=0)
    assert [clip.target for clip in found] == ["pipe", "pipe", "guitar", "guitar"]
    assert len({clip.source for clip in found}) == 4
    assert {clip.sound.shape for clip in found} == {(SAMPLES,)}
    with pytest.raises(UserError, match="'organ' with at least 2 sound files, and has 0"):
        phrases.read_phrases(tmp_path, ["organ"], 2, seconds=0.5, seed=0)


def run_script(name, *arguments):
    """Runs a script: (its exit code, what it printed)."""
    command = [sys.executable, str(SCRIPTS / name), *map(str, arguments)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def test_answers_are_scored_by_the_command(tmp_path):
    key = make_key()
    write_key(tmp_path / "key.json", key)
    for name in ("a", "b"):
        (tmp_path / f"{name}.json").write_text(json.dumps(make_entries(key, name)))
    files = [tmp_path / "a.json", tmp_path / "b.json"]
    score_them = ["score_listening_test.py", "--answers", *files, f"--key={tmp_path / 'key.json'}"]
    code, printed = run_script(*score_them)
    assert code == 0 and printed.strip() == (tmp_path / "results.md").read_text().strip()
    assert "2 listeners answered 25 clips each" in printed
    assert re.search(r"\| dreams \| 12 \| 24 \| 33 \(\d+ to \d+\) \| 33.3 \|", printed)


@pytest.mark.slow
def test_a_test_is_made_of_dreams_of_the_real_command(tmp_path):
    for name in ("pipe", "guitar"):
        (tmp_path / "real" / name).mkdir(parents=True)
        soundfile.write(tmp_path / "real" / name / "a.wav", white_noise(30000, 1), 44100)
    made = tmp_path / "made"
    flags = ["--classes=pipe,guitar", "--input=noise,sine", "--seconds=0.5", "--repeats=1"]
    flags += [f"--phrases={tmp_path / 'real'}", "--phrases_per_class=1", f"--output_dir={made}"]
    flags += ["--set=num_iterations=2", "--set=pyramid_size=1"]
    code, printed = run_script("listening_test.py", *flags)
    assert code == 0 and "4 dreams, 2 undreamed inputs, 2 real phrases" in printed, printed
    key, html = read_key(made / "key.json"), (made / "page/index.html").read_text()
    data = json.loads(re.search(r'id="data">(.*?)</script>', html, re.DOTALL)[1])
    sound_of = {trial["id"]: data["sounds"][trial["sound"]] for trial in data["trials"]}
    assert len(sound_of) == 9 and len({len(sound) for sound in sound_of.values()}) == 1
    dreams = [trial for trial in key.trials if trial.kind == DREAM and not trial.repeats]
    for trial in dreams:
        (record,) = [
            record
            for record in map(json.loads, (made / "dreams/manifest-000.jsonl").open())
            if record["target_class"] == trial.target and trial.source in record["input"]
        ]
        dream = read_recording(str(made / f"dreams/{record['name']}.wav"))
        (content,) = render_clips([fit_length("a dream", dream, seconds=0.5)])
        assert base64.b64decode(sound_of[trial.id]) == content
    again = run_script("listening_test.py", *flags)
    assert again[0] == 0 and (made / "page/index.html").read_text() == html


def test_choices_are_a_few_classes_of_the_network_that_dreams():
    settings = {"preset": "heard_as_flute"}
    assert inputs.choose_classes(["pipe", "organ", "pipe"], settings) == ["pipe", "organ"]
    assert inputs.choose_classes(["choir", "sitar"], {"model": "mtt"}) == ["choir", "sitar"]
    with pytest.raises(UserError, match="no class 'gitar' .did you mean guitar"):
        inputs.choose_classes(["pipe", "gitar"], settings)
    with pytest.raises(UserError, match="--classes must be 2 to 10 classes, got 1"):
        inputs.choose_classes(["pipe", "pipe"], settings)


def test_phrases_of_a_soundfont_are_of_its_families():
    with pytest.raises(UserError, match="'flute' is no family"):
        phrases.render_phrases(["flute"], 1, soundfont="TimGM6mb", seconds=1, seed=0)
