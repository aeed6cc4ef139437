"""JAX is set up for a precision."""

import os
import subprocess
import sys

import pytest

from tests.helpers.clips import samples_of
from tests.helpers.commands import QUICK, dream, finish, start

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
log.info("a line of %s", "esc\\033[31m\\n\\a.wav")
logging.getLogger("gcsfs").error("what is raised, too")
"""


def test_only_a_command_changes_the_process(monkeypatch, tmp_path):
    """Importing changes nothing; a command sets the precision, the cache and plain log lines."""
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    command = [sys.executable, "-c", PREPARE]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.stderr == "a line of esc\\x1b[31m\\n\\x07.wav\n"
    assert done.stdout.splitlines() == [
        "bfloat16 None False",
        "float32 float32 False",
        "float64 float32 True",
        f"{tmp_path}/dreamsound_jax/programs -1",
        "[False, False]",
    ]


FORBIDDING = {
    "JAX_NUMPY_DTYPE_PROMOTION": "strict",
    "JAX_NUMPY_RANK_PROMOTION": "raise",
    "JAX_DISABLE_JIT": "1",
    "JAX_TRANSFER_GUARD": "disallow",
    "JAX_NO_TRACING": "1",
    "JAX_DEBUG_NANS": "1",
    "JAX_DEBUG_KEY_REUSE": "1",
    "JAX_ENABLE_CHECKS": "1",
    "JAX_CHECK_TRACER_LEAKS": "1",
}
OF_ANOTHER_DREAM = {
    "JAX_ENABLE_X64": "1",
    "JAX_DEFAULT_MATMUL_PRECISION": "bfloat16",
    "JAX_DEFAULT_PRNG_IMPL": "rbg",
    "JAX_THREEFRY_PARTITIONABLE": "0",
    "JAX_RANDOM_SEED_OFFSET": "7",
}


@pytest.mark.slow
def test_the_same_seed_gives_the_same_dream_whatever_jax_is_told(tmp_path):
    """On the domain that draws most random numbers; each alone was tried, too."""
    flags = (*QUICK, "--clip_length=6000", "--seed=3", "--domain=mel")
    samples = []
    for number, environment in enumerate(({}, FORBIDDING, OF_ANOTHER_DREAM)):
        dream("noise", *flags, f"-o={number}", cwd=tmp_path, **environment)
        samples.append(samples_of(tmp_path / str(number) / "00000-noise.wav"))
    assert samples[0] == samples[1] == samples[2]


def test_a_value_that_jax_does_not_know_is_named_in_one_line(tmp_path):
    process = start("noise", cwd=tmp_path, JAX_NUMPY_DTYPE_PROMOTION="strickt")
    code, printed = finish(process)
    assert (code, printed) == (
        2,
        "dreamsound: JAX does not know JAX_NUMPY_DTYPE_PROMOTION=strickt, which is in the "
        "environment: unset it\n",
    )


@pytest.mark.parametrize("platform", ["rocm", "nonsense"])
def test_a_device_that_is_not_there_is_named_in_one_line(platform):
    """JAX fails at an assertion of its own for one, and raises RuntimeError for the other."""
    command = [sys.executable, "-m", "dreamsound_jax", "--noplots"]
    environment = {**os.environ, "JAX_PLATFORMS": platform}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("dreamsound: JAX finds no device: ")
    assert f"JAX_PLATFORMS={platform}" in done.stderr and "Traceback" not in done.stderr


FLAGS = """
import os
from dreamsound_jax.system import runtime

runtime.NVIDIA_PLUGINS = ("no_such_plugin",)
runtime.repeat_bit_for_bit()
print(os.environ["XLA_FLAGS"])
runtime.NVIDIA_PLUGINS = ("no_such_plugin", "numpy")
runtime.repeat_bit_for_bit()
runtime.repeat_bit_for_bit()
print(os.environ["XLA_FLAGS"])
"""


def test_gpus_are_told_to_repeat_a_run_and_keep_the_flags_of_the_user():
    flags = {**os.environ, "XLA_FLAGS": "--xla_cpu_enable_fast_math=false"}
    done = subprocess.run([sys.executable, "-c", FLAGS], env=flags, check=True, capture_output=True)
    before, after = done.stdout.decode().splitlines()
    assert before == "--xla_cpu_enable_fast_math=false"
    assert after == f"{before} --xla_gpu_exclude_nondeterministic_ops=true"


UNREAD = """
import logging
from tqdm import tqdm
from dreamsound_jax.system import runtime

runtime.log_plainly()
for number in tqdm(range(3), mininterval=0):
    logging.getLogger("dreamsound_jax").info("x" * 100_000)
print("done")
"""


@pytest.mark.parametrize("standard_error", ["2>&-", "2>/dev/full", "2> >(head -c 1 >/dev/null)"])
def test_no_run_ends_because_nobody_reads_what_it_says(standard_error):
    command = ["bash", "-c", f'"$0" -c "$1" {standard_error}', sys.executable, UNREAD]
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)
    assert (done.returncode, done.stdout) == (0, "done\n")
