import os
import subprocess
import sys

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


PREPARE = """
import logging
import fsspec.config, jax
from dreamsound_jax.system import runtime

log, config = logging.getLogger("dreamsound_jax"), jax.config
assert (config.jax_compilation_cache_dir, log.handlers) == (None, [])
for precision in ("bfloat16", "float32", "float64"):
    runtime.prepare(precision=precision)
    print(precision, config.jax_default_matmul_precision, config.jax_enable_x64)
print(config.jax_compilation_cache_dir, config.jax_compilation_cache_max_size)
print([fsspec.config.conf[store]["use_listings_cache"] for store in ("s3", "gs")])
log.info("a line")
logging.getLogger("gcsfs").error("what is raised, too")
"""


def test_only_a_command_changes_the_process(monkeypatch, tmp_path):
    """Importing changes nothing; a command sets the precision, the cache and plain log lines."""
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    command = [sys.executable, "-c", PREPARE]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.stderr == "a line\n"
    assert done.stdout.splitlines() == [
        "bfloat16 None False",
        "float32 float32 False",
        "float64 float32 True",
        f"{tmp_path}/dreamsound_jax/programs -1",
        "[False, False]",
    ]
