import pytest

from dreamsound_jax.outputs.folder import earlier_run, make_folder, write_params
from dreamsound_jax.system.errors import UserError


def test_folders_are_numbered_after_the_last_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert [str(make_folder(None)) for _ in range(2)] == ["outputs/1", "outputs/2"]
    (tmp_path / "outputs" / "7").mkdir()
    (tmp_path / "outputs" / "notes").mkdir()
    assert str(make_folder(None)) == "outputs/8"


def test_a_run_goes_on_with_its_own_flags_alone(tmp_path):
    folder = make_folder(str(tmp_path / "a" / "b"))
    flags = {"seed": 1, "lr": 0.1, "input": ["a"], "save_every": 10.0}
    assert earlier_run(None, flags) is None
    assert earlier_run(str(folder), flags) is None
    write_params(folder, flags=flags, command="dreamsound", targets={})
    again = [flags, {**flags, "seed": None}, {**flags, "save_every": 1.0}]
    assert [earlier_run(str(folder), each)["seed"] for each in again] == [1, 1, 1]
    for other, told in (({"seed": 2}, "--seed 1, not 2"), ({"lr": 0.2}, "--lr 0.1, not 0.2")):
        with pytest.raises(UserError, match=f"already holds a run with {told}"):
            earlier_run(str(folder), {**flags, **other})
    (folder / "params.json").write_text("{")
    with pytest.raises(UserError, match="cannot be read"):
        earlier_run(str(folder), flags)
