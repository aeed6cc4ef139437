"""Where caches are, and how large they become."""

import os
import stat

import jax
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


@pytest.fixture
def own(monkeypatch, tmp_path):
    """The folder of compiled programs, which is not there yet; JAX's own setting is given back."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    monkeypatch.setattr(cache, "_said", [])
    before = jax.config.jax_compilation_cache_dir
    yield tmp_path / "cache" / "dreamsound_jax" / "programs"
    jax.config.update("jax_compilation_cache_dir", before)


def use_cache():
    """Returns the folder in which JAX looks for compiled programs, as a new process would."""
    cache.cache_compiled_programs()
    return jax.config.jax_compilation_cache_dir


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_the_folder_of_compiled_programs_is_made_for_this_user_alone(own, caplog):
    umask = os.umask(0)
    try:
        assert use_cache() == str(own)
    finally:
        os.umask(umask)
    assert (mode_of(own), mode_of(own.parent)) == (0o700, 0o700)
    own.parent.chmod(0o775)  # as older versions made it for users whose groups may write
    assert use_cache() == str(own) and mode_of(own.parent) == 0o700
    assert not caplog.records


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o777])
def test_compiled_programs_that_others_may_have_planted_are_not_used(own, mode, caplog):
    own.mkdir(parents=True)
    own.chmod(mode)
    assert use_cache() is None and use_cache() is None
    (record,) = caplog.records
    assert f"neither read from {own} nor kept there" in record.getMessage()
    assert f"other users can write to it; remove it with rm -r {own}, or" in record.getMessage()
    own.rmdir()
    assert use_cache() == str(own)


def test_compiled_programs_of_another_user_are_not_used(own, monkeypatch, caplog):
    own.mkdir(parents=True)
    owner = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: owner + 1)
    assert use_cache() is None and "other users can write to it" in caplog.text


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a link away")
def test_a_link_that_another_user_made_is_not_followed(own, caplog):
    own.parent.mkdir(parents=True)
    (own.parent / "mine").mkdir()
    own.symlink_to(own.parent / "mine")
    assert use_cache() == str(own)
    os.chown(own, 12345, -1, follow_symlinks=False)
    assert use_cache() is None


def test_a_folder_that_the_user_has_chosen_is_used_as_it_is(own, monkeypatch, tmp_path, caplog):
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o777)
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "shared"))
    assert use_cache() == str(tmp_path / "shared") and not own.exists()
    assert mode_of(tmp_path / "shared") == 0o777 and not caplog.records


def test_a_cache_that_cannot_be_made_is_said_once_and_not_used(own, monkeypatch, tmp_path, caplog):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert use_cache() is None and use_cache() is None
    (record,) = caplog.records
    assert "cannot be kept in" in record.getMessage() and "Not a directory" in record.getMessage()
