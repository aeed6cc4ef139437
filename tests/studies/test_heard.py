"""The study of dreams that others hear."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from dreamsound_jax.audio.files import Recording
from dreamsound_jax.dreaming.batch import analyse_clips, class_probabilities
from dreamsound_jax.networks.card import Card, read_entries
from dreamsound_jax.networks.loading import load_model
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.training.datasets.general_midi import FAMILIES
from dreamsound_jax.weights.checkpoint import write_cards
from studies.heard import (
    cards,
    families,
    inputs,
    judging,
    listening,
    networks,
    page,
    pictures,
    statistics,
)
from studies.heard.settings import DEFAULTS, parse_settings
from tests.helpers import tiny
from tests.helpers.sounds import RATE, white_noise

ROOT = Path(__file__).parents[2]


def test_top1_rank_and_margin_of_scores_by_hand():
    scores = np.array([[3.0, 1.0, 2.0], [3.0, 1.0, 2.0], [0.5, 4.0, 0.5]])
    found = statistics.measure_hits(scores, np.array([0, 1, 2]))
    assert found["top1"].tolist() == [1, 0, 0]
    assert found["rank"].tolist() == [1, 3, 2]
    assert found["margin"].tolist() == [1, -2, -3.5]


def test_a_dream_is_compared_with_the_other_dreams_of_its_input_alone():
    # Two inputs dream towards classes 0, 1 and one that the judge does not know.
    scores = np.array([[5, 0], [1, 2], [3, 4], [50, 90], [70, 60], [20, 70]], float)
    wanted, of_input = np.array([0, 1, -1] * 2), np.array([0, 0, 0, 1, 1, 1])
    found = statistics.compare_dreams(scores, wanted, of_input)
    # Others of dream 0 score 1 and 3 for class 0, mean 2, standard deviation sqrt(2); and so on.
    expected = [3 / 2**0.5, 0, np.nan, 5 / 1250**0.5, -20 / 200**0.5, np.nan]
    np.testing.assert_allclose(found["z"], expected)
    np.testing.assert_array_equal(found["highest"], [1, 0, np.nan, 0, 0, np.nan])


def test_an_interval_is_as_wide_as_few_inputs_make_it():
    # All dreams of an input agree: 160 dreams of 10 inputs are no more certain than 10 dreams.
    rates = np.array([1.0] * 5 + [0.0] * 5)
    inputs_alone = statistics.estimate(rates, np.arange(10))
    together = statistics.estimate(np.repeat(rates, 16), np.repeat(np.arange(10), 16))
    apart = statistics.estimate(np.repeat(rates, 16), np.arange(160))
    assert together == inputs_alone and together.mean == 0.5
    # The exact interval of a mean of 10 coins is 0.2 to 0.8, that of 160 coins about 0.42 to 0.58.
    assert (together.low, together.high) == pytest.approx((0.2, 0.8))
    assert (apart.low, apart.high) == pytest.approx((0.42, 0.58), abs=0.01)


def test_an_interval_leaves_out_what_is_unknown_and_needs_two_inputs():
    values, of_input = np.array([1.0, np.nan, 0.0, np.nan]), np.array([0, 0, 0, 1])
    mean, low, high = statistics.estimate(values, of_input)
    assert mean == 0.5 and np.isnan([low, high]).all()


def make_card(classes):
    return Card("named", tuple(classes), tiny.FRONT_END)


def test_families_are_heard_by_name_or_by_the_loudest_of_their_tags():
    by_name = families.find_outputs(make_card(["silence", *FAMILIES]))
    assert list(by_name) == list(FAMILIES) and by_name["piano"] == (1,)
    tags = families.find_outputs(make_card(["cello", "flute", "rock", "violin"]))
    assert tags == {"strings": (3, 0), "pipe": (1,)}
    logits = np.array([[5.0, 1.0, 9.0, 2.0], [0.0, 3.0, 9.0, -1.0]])
    assert families.score_classes(logits, tags).tolist() == [[5, 1], [0, 3]]
    own = families.find_outputs(make_card(["flute", "rock"]))
    assert own == {"flute": (0,), "rock": (1,)}


def test_a_sound_is_heard_as_the_network_hears_it_when_it_dreams():
    model = tiny.tiny_model()
    sounds = [white_noise(RATE, seed) * np.linspace(0, 1, RATE) for seed in range(2)]
    recordings = [Recording(np.float32(sound)[:, None], RATE) for sound in sounds]
    logits = listening.hear(model, recordings)
    peaked = np.float32([sound / np.abs(sound).max() for sound in sounds])
    mel_db = analyse_clips(peaked, front_end=model.card.front_end)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    expected = np.asarray(class_probabilities(model, mel_db))
    np.testing.assert_allclose(powers / powers.sum(axis=1, keepdims=True), expected, rtol=1e-3)


def test_the_two_sets_share_no_recording_and_no_family_and_come_out_the_same_each_time():
    choosing, reporting = inputs.SETS["choosing"], inputs.SETS["reporting"]
    for name in ("recordings", "families", "synthesised"):
        assert not set(getattr(choosing, name)) & set(getattr(reporting, name))
    assert all(path.is_file() for each in (choosing, reporting) for path in each.recordings)
    assert choosing.seed != reporting.seed
    made = [inputs.make_inputs(name, noise=2, quick=True) for name in ("choosing", "reporting") * 2]
    digests = [{each.recording.channels.tobytes() for each in one} for one in made]
    assert digests[0] == digests[2] and digests[1] == digests[3]
    assert len(digests[0] | digests[1]) == 8
    assert [each.kind for each in made[0]] == ["recordings"] * 2 + ["noise"] * 2


def make_verdict(source, of, kind="", hits=2):
    """Makes a verdict on 4 sounds of 2 classes, of which the first `hits` are heard as wanted."""
    scores = np.array([[1.0, 0.0]] * 4)
    wanted = np.array([0] * hits + [1] * (4 - hits))
    judge = networks.Named("ear", Path(), None, {"piano": (0,), "pipe": (1,)}, "")
    more = {"z": np.ones(4), "highest": np.ones(4)} if source == "dreams" else {}
    place = (source, of, kind)
    return judging.make_verdict(judge, place, scores, wanted, np.arange(4), more)


def test_tables_and_pictures_show_dreams_beside_control_ceiling_and_chance():
    verdicts = [
        make_verdict("dreams", ("gm", "sound"), "noise", hits=3),
        make_verdict("undreamed", (), "noise"),
        make_verdict("real", ("TimGM6mb",), hits=4),
    ]
    (dreams,) = page.format_dreams(verdicts).splitlines()[2:]
    assert dreams.startswith("| gm | sound | noise | ear | 4 | 75 (25 to 100) | 50.0 | 1.2 (1.0")
    assert dreams.endswith("| 1.00 (1.00 to 1.00) | 100 (100 to 100) |")
    control, ceiling = page.format_others(verdicts).splitlines()[2:]
    assert control.startswith("| undreamed noise | ear | 4 | 50 (0 to 100) | 50.0 |")
    assert ceiling.startswith("| real phrases, TimGM6mb | ear | 4 | 100 (100 to 100) | 50.0 |")
    by_class = page.format_classes(verdicts).splitlines()[2:]
    assert by_class == ["| piano | 3 of 3 | 4 of 4 |", "| pipe | 0 of 1 | – |"]
    for png in (pictures.draw_rates(verdicts), pictures.draw_matrices(verdicts)):
        assert Image.open(io.BytesIO(png)).width > 900


def test_a_card_says_how_often_others_hear_the_dreams_of_its_network(tmp_path):
    folder = tiny.write_checkpoint(tmp_path / "gm")
    write_cards(folder, read_entries(folder) | {"description": "A small network."})
    (dreamer,) = networks.load([str(folder)], ["gm"])
    verdicts = [
        make_verdict("dreams", ("gm", "sound"), "noise", hits=3),
        make_verdict("dreams", ("other", "sound"), "noise", hits=1),
        make_verdict("undreamed", (), "noise"),
        make_verdict("real", ("TimGM6mb",), hits=4),
    ]
    settings = parse_settings(["layers_to_use=relu5_4+output"])
    run = {"command": "python script.py", "date": "2026-11-27", "device": "cpu"}
    cards.write_into_card(dreamer, {"settings": settings, **run}, verdicts)
    text = (tmp_path / "gm" / "README.md").read_text()
    assert "| sound | noise | ear | 4 | 75 % (25 to 100) | 50 % | 1.00 |" in text
    assert "first: ear 100 % of those of TimGM6mb." in text and text.count("| sound |") == 1
    assert "--smoothing_coefficient=1.0 --layers_to_use=relu5_4,output" in text
    assert Image.open(tmp_path / "gm" / "heard.png").width > 900
    assert load_model(checkpoint=tmp_path / "gm").card == dreamer.model.card


def test_settings_are_options_of_dreamsound():
    words = ["lr=0.1", "smooth_gradient=False", "layers_to_use=relu5_4+output"]
    asked = {"lr": 0.1, "smooth_gradient": False, "layers_to_use": ("relu5_4", "output")}
    assert parse_settings(words) == DEFAULTS | asked
    assert parse_settings(["preset=choir"]) == {"preset": "choir"}


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("lr", "--set must be OPTION=VALUE, such as lr=0.02, and is 'lr'"),
        ("lrr=1", "did you mean lr"),
        ("num_iterations=2.5", "--set=num_iterations must be of type int, and is '2.5'"),
        ("domain=mel", "use --domains"),
    ],
)
def test_a_wrong_setting_is_named(word, message):
    with pytest.raises(UserError, match=message):
        parse_settings([word])


def run_quickly(folder, dreamer, judge):
    command = [
        *(sys.executable, "scripts/heard_by_others.py", "--quick", f"--output={folder}"),
        *(f"--model={dreamer}", f"--judges={judge}", "--noise=1", "--soundfonts="),
        *("--classes=class_1,class_3,class_4", "--batch_size=2"),
        *("--examples=chord,class_3", f"--page={folder}/page.md"),
    ]
    paths = os.pathsep.join([str(ROOT), str(ROOT / "scripts")])
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_network_never_judges_its_own_dreams(tmp_path):
    dreamer = tiny.write_checkpoint(tmp_path / "dreamer")
    copy = tiny.write_checkpoint(tmp_path / "copy")
    done = run_quickly(tmp_path / "out", dreamer, copy)
    assert done.returncode == 2
    assert "a network never judges its own dreams" in done.stderr
    assert len(done.stderr.splitlines()) == 1 and not (tmp_path / "out").exists()


@pytest.mark.slow
def test_dreams_are_judged_and_are_not_dreamed_again(tmp_path):
    dreamer = tiny.write_checkpoint(tmp_path / "dreamer")
    judge = tiny.write_checkpoint(tmp_path / "judge", bias=0.1)
    done = run_quickly(tmp_path / "out", dreamer, judge)
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    found = [(each["source"], each["kind"], each["sounds"]) for each in results["verdicts"]]
    assert found == [
        *(("dreams", "recordings", 6), ("dreams", "noise", 3)),
        *(("undreamed", "recordings", 2), ("undreamed", "noise", 1)),
    ]
    control = results["verdicts"][2]
    assert control["estimates"]["top1"]["mean"] == pytest.approx(control["chance"]["top1"])
    sounds = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("class_*.wav")}
    assert len(sounds) == 9
    page = (tmp_path / "out" / "page.md").read_text()
    (wav,) = (path for path in sounds if path.name == "class_3.wav" and "chord" in str(path))
    for name, written in {"chord": None, "chord_tiny_sound_class_3": wav}.items():
        assert f"[listen](page_sounds/{name}.ogg): class " in page
        shown, _ = soundfile.read(tmp_path / "out" / "page_sounds" / f"{name}.ogg")
        if written:
            assert np.corrcoef(shown, soundfile.read(written)[0])[0, 1] > 0.98
    again = run_quickly(tmp_path / "out", dreamer, judge)
    assert again.returncode == 0 and "s a dream" not in again.stderr
    assert {path: path.stat().st_mtime_ns for path in sounds} == sounds
    assert json.loads((tmp_path / "out" / "results.json").read_text()) == results
