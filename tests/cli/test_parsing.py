import pytest

import dreamsound_jax.cli.main  # noqa: F401  (defines the flags)
from dreamsound_jax.cli import parsing as command_line
from dreamsound_jax.system.errors import UserError


@pytest.mark.parametrize(
    ("typed", "joined"),
    [
        ("--layers_to_use relu1_1 output --lr 0.1", "--layers_to_use=relu1_1,output --lr=0.1"),
        ("--layers_to_use=relu1_1,output --lr=0.1", "--layers_to_use=relu1_1,output --lr=0.1"),
        ("--layers_to_use relu1_1,output", "--layers_to_use=relu1_1,output"),
        ("--crossfade False --seed 3", "--crossfade=False --seed=3"),
        ("--crossfade --seed 3", "--crossfade --seed=3"),
        ("--nocrossfade stray", "--nocrossfade stray"),
        ("--target_class_index -1", "--target_class_index=-1"),
        ("--lr 0.1 stray", "--lr=0.1 stray"),
        ("--unknown word", "--unknown word"),
        ("--flagfile clip_1 --seed 1", "--flagfile=clip_1 --seed=1"),
    ],
)
def test_words_after_a_flag_are_its_value(typed, joined):
    assert command_line.join_words(typed.split()) == joined.split()


def test_a_file_name_with_a_comma_stays_one_input(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a,b.wav").write_bytes(b"")
    assert command_line.join_words(["--input", "a,b.wav"]) == ['--input="a,b.wav"']
    assert command_line.join_words(["--input", "a,b.wav", "c.wav"]) == ['--input="a,b.wav",c.wav']


def test_flag_files_are_found_by_name_or_path_and_a_users_own_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (ours,) = command_line.find_flag_files(["--flagfile=clip_1"])
    assert ours.endswith("configs/clip_1.flags")
    assert command_line.find_flag_files(["--flagfile=configs/clip_1.flags"]) == [ours]
    (tmp_path / "clip_1").write_text("--lr=1")
    assert command_line.find_flag_files(["--flagfile=clip_1"]) == ["--flagfile=clip_1"]
    with pytest.raises(UserError, match="clip_1, clip_2, clip_3"):
        command_line.find_flag_files(["--flagfile=clip_7"])
