import subprocess
import sys

from dreamsound_jax.system import cache


def test_compiled_programs_go_where_the_user_says(monkeypatch):
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache.compilation_cache_folder() == "/somewhere/dreamsound_jax"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/me")
    assert cache.compilation_cache_folder() == "/home/me/.cache/dreamsound_jax"
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "/fast/disk")
    assert cache.compilation_cache_folder() == "/fast/disk"


PREPARE = """
import logging
import fsspec.config, jax
from dreamsound_jax.system import runtime

log, config = logging.getLogger("dreamsound_jax"), jax.config
assert (config.jax_compilation_cache_dir, log.handlers) == (None, [])
for precision in ("bfloat16", "float32", "float64"):
    runtime.prepare(precision=precision)
    print(precision, config.jax_default_matmul_precision, config.jax_enable_x64)
print(config.jax_compilation_cache_dir)
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
        f"{tmp_path}/dreamsound_jax",
        "[False, False]",
    ]
