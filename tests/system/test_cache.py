import os

import pytest

from dreamsound_jax.system import cache


def test_programs_and_traces_go_where_the_user_says(monkeypatch):
    def folders():
        return cache.compilation_cache_folder(), cache.traces_folder()

    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    own = "/somewhere/dreamsound_jax"
    assert folders() == (f"{own}/programs", f"{own}/traces")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/me")
    own = "/home/me/.cache/dreamsound_jax"
    assert folders() == (f"{own}/programs", f"{own}/traces")
    # Traces are run, so none is read where others may write.
    for shared in ("/fast/disk", "gs://bucket/programs"):
        monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", shared)
        assert folders() == (shared, f"{own}/traces")


def test_a_user_without_a_home_has_a_cache_for_the_process(monkeypatch, caplog):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(cache.Path, "home", no_home)
    cache._make_cache_of_process.cache_clear()
    folder = cache.user_cache_folder()
    assert folder.is_dir() and folder.stat().st_mode & 0o077 == 0
    assert cache.user_cache_folder() == folder
    assert [record.getMessage().split(":")[0] for record in caplog.records] == ["no home folder"]


def test_a_folder_is_bounded_by_what_was_used_least_recently(tmp_path):
    for age in range(6):
        (tmp_path / f"{age}-cache").write_bytes(b"x" * 100)
        os.utime(tmp_path / f"{age}-cache", (1e9 - age, 1e9 - age))
    os.utime(tmp_path / "5-cache", (2e9, 1e9 - 5))  # it was read since
    cache.drop_files_used_least_recently(tmp_path, largest=350)
    assert sorted(file.name[0] for file in tmp_path.iterdir()) == ["0", "1", "5"]
    cache.drop_files_used_least_recently(tmp_path, largest=300)
    assert len(list(tmp_path.iterdir())) == 3
    cache.drop_files_used_least_recently(tmp_path / "gone", largest=300)


@pytest.mark.parametrize("chosen", [False, True])
def test_only_our_own_folder_of_programs_is_bounded(monkeypatch, tmp_path, chosen):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = tmp_path / "dreamsound_jax" / "programs"
    folder.mkdir(parents=True)
    for name in "ab":
        (folder / name).write_bytes(b"x" * 100)
    monkeypatch.setattr(cache, "LARGEST_CACHE", 150)
    if chosen:
        monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(folder))
    else:
        monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    cache.bound_compilation_cache()
    assert len(list(folder.iterdir())) == (2 if chosen else 1)
