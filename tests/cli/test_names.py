"""Flags as people who know other tools type them."""

import pytest
from absl import flags

from dreamsound_jax.cli import names, parsing
from dreamsound_jax.run.options import Options
from dreamsound_jax.system.errors import UserError
from tests.helpers.commands import parse


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("--learning-rate 0.1 --steps=3 --batch 4", "--lr=0.1 --num_iterations=3 --batch_size=4"),
        ("-i a.wav b.wav --output-dir=x", "--input=a.wav,b.wav --output_dir=x"),
        (
            "--layer relu1_1 a.wav --class organ",
            "a.wav --layers_to_use=relu1_1 --target_class=organ",
        ),
        ("--no-plots --no_crossfade --nostabilize", "--noplots --nocrossfade --nostabilise"),
        ("-seed 3 --octaves=2", "--seed=3 --pyramid_size=2"),
        ("--sweep=learning-rate=0.1,0.2", "--sweep=lr=0.1,0.2"),
        ("--output_format mp3 --bits=24", "--format=mp3 --bit_depth=24"),
        ("--ouroboros --rounds=3", "--create_ouroboros --ouroboros_length=3"),
    ],
)
def test_usual_names_mean_the_flags_of_the_command(typed, meant):
    assert parse(*typed.split()) == parse(*meant.split()) != Options()


def test_a_flag_file_may_be_written_with_usual_names(tmp_path):
    (tmp_path / "mine.flags").write_text("--learning-rate=0.1\n--no-plots\n")
    options = parse(f"--flagfile={tmp_path}/mine.flags")
    assert (options.lr, options.plots) == (0.1, False)


def test_every_synonym_stands_for_a_flag_and_hides_none():
    for name, meant in names.SYNONYMS.items():
        assert meant in flags.FLAGS, name
        assert name not in flags.FLAGS, name
    for name in names.INSTEAD:
        assert name == "v" or names.find_name(name) is None, name


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("--strenght=70", "there is no flag --strenght; did you mean --strength=70? (--help"),
        ("--no-crosfade", "there is no flag --no-crosfade; did you mean --nocrossfade? (--help"),
        ("--outptu=x", "there is no flag --outptu; did you mean --output=x?"),
        ("--alsologtostder", "there is no flag --alsologtostder (--help"),
        ("--mp3", "there is no flag --mp3; --format=mp3 writes MP3"),
        ("--epochs=3", "there is no flag --epochs; --num_iterations is the number of steps"),
        ("--pdb", "there is no flag --pdb (--help"),
        ("--nopdb_post_mortem", "there is no flag --nopdb_post_mortem (--help"),
        ("--only_check_args", "there is no flag --only_check_args (--help"),
        ("–-lr=0.1", "'–-lr=0.1' begins with a dash that is no hyphen; did you mean --lr=0.1?"),
        (
            "—steps 3",
            "'—steps' begins with a dash that is no hyphen; did you mean --num_iterations?",
        ),
        ("--layer relu3_4 –lr", "'–lr' begins with a dash that is no hyphen; did you mean --lr?"),
        ("—learnin_rate=1", "'—learnin_rate=1' begins with a dash that is no hyphen; did you mean"),
        ("noise –zzz", "'–zzz' begins with a dash that is no hyphen; there is no file of this"),
        ("--lr –0.1", "--lr must be a number, and is '–0.1'"),
        ("--zzz", "there is no flag --zzz (--help lists the flags)"),
        ("-v", "there is no flag -v; --version names the version"),
        ("--device=cpu", "there is no flag --device; a GPU that JAX finds is used, and JAX_PLAT"),
        ("a.wav learning-rate=1", "'learning-rate=1' belongs to no flag; did you mean --lr=1?"),
        ("--lr=0,02", "--lr must be a number, and is '0,02'; did you mean --lr=0.02?"),
        (
            "--strength=70%",
            "--strength must be a number, and is '70%'; did you mean --strength=70?",
        ),
        ("--mix 50%", "--mix must be a number, and is '50%'; did you mean --mix=0.5?"),
        ("--until=8dB", "--until must be a number, and is '8dB'; did you mean --until=8?"),
        ("--no-plots=1", "--noplots=1 does not take an argument (--help lists the flags)"),
        ("--steps=2.5", "--num_iterations must be a whole number, and is '2.5'"),
        ("--sweep=mix=0.5,70%", "--mix must be a number, and is '70%'; did you mean --mix=0.7?"),
    ],
)
def test_what_is_wrong_is_named_with_what_was_meant(typed, message):
    with pytest.raises(UserError) as error:
        parse(*typed.split())
    assert str(error.value).startswith(message)


def test_a_file_may_begin_with_a_long_dash(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "—lr").touch()
    assert parse("—lr", "–*.wav").input == ("—lr", "–*.wav")
    assert parse("--name", "–{seed}").name == "–{seed}"


def test_what_follows_two_dashes_is_an_input_whatever_its_name():
    assert parse("--seed=3", "--", "-a.wav", "--lr=b.wav").input == ("-a.wav", "--lr=b.wav")


def test_flags_of_a_script_come_before_synonyms():
    flags.DEFINE_integer("rounds", 1, "Rounds of a script.")
    try:
        parsing.parse(["script", "--rounds=7"], module=__name__, usage="")
        assert flags.FLAGS.rounds == 7
        assert not flags.FLAGS["ouroboros_length"].present
    finally:
        delattr(flags.FLAGS, "rounds")
