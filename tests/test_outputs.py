import pytest

from dreamsound_jax import outputs
from dreamsound_jax.errors import UserError


def test_folders_are_numbered_after_the_last_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert [str(outputs.make_folder(None)) for _ in range(2)] == ["outputs/1", "outputs/2"]
    (tmp_path / "outputs" / "7").mkdir()
    (tmp_path / "outputs" / "notes").mkdir()
    assert str(outputs.make_folder(None)) == "outputs/8"


def test_a_run_is_never_written_over(tmp_path):
    folder = outputs.make_folder(str(tmp_path / "a" / "b"))
    assert folder.is_dir()
    assert outputs.make_folder(str(folder)) == folder
    outputs.write_params(folder, flags={"seed": 1}, command="dreamsound", targets={})
    with pytest.raises(UserError, match="already holds a run"):
        outputs.make_folder(str(folder))
