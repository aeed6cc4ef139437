"""Files that --output names."""

import os

import pytest

from dreamsound_jax.outputs.one_file import check_file, names_file, write_sound
from dreamsound_jax.system.errors import UserError
from tests.outputs.test_clip_files import clip


def test_a_name_with_the_suffix_of_a_sound_is_a_file_unless_it_is_a_folder(tmp_path):
    (tmp_path / "folder.wav").mkdir()
    files = ("out.wav", "a/out.WAV", "out.mp3", "gs://bucket/out.wav")
    folders = ("out", "out.d", "out.wav/", str(tmp_path / "folder.wav"))
    assert [names_file(name) for name in (*files, *folders)] == [True] * 4 + [False] * 4


def test_a_file_that_exists_is_replaced_only_if_that_is_asked_for(tmp_path):
    path = tmp_path / "out.wav"
    path.touch()
    with pytest.raises(UserError, match=r"exists already: add --overwrite \(-y\)"):
        check_file(str(path), overwrite=False)
    check_file(str(path), overwrite=True)


def test_a_file_that_cannot_be_written_is_refused_before_and_no_folder_is_made(tmp_path):
    check_file(str(tmp_path / "new/folder/out.wav"), overwrite=False)
    assert os.listdir(tmp_path) == []
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="no file can be made in"):
        check_file(str(tmp_path / "file/out.wav"), overwrite=False)
    with pytest.raises(UserError, match="end in .wav or .flac or .ogg or .mp3, or .* as .m4a"):
        check_file("out.m4a", overwrite=True)
    with pytest.raises(UserError, match="name a sound: --output=a/out.wav --video writes a video"):
        check_file("a/out.mp4", overwrite=True)


def test_a_video_is_written_beside_the_file_and_replaced_only_if_that_is_asked_for(tmp_path):
    path, video = tmp_path / "new" / "out.wav", tmp_path / "new" / "out.mp4"
    record = write_sound(str(path), clip(make_video=lambda: b"video"))
    assert video.read_bytes() == b"video" and "video_failed" not in record
    path.unlink()
    check_file(str(path), overwrite=False)
    with pytest.raises(UserError, match=r"new/out.mp4 exists already: add --overwrite"):
        check_file(str(path), overwrite=False, with_video=True)
    check_file(str(path), overwrite=True, with_video=True)
