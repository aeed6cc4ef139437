#!/usr/bin/env bash
# Measures on one GPU in about ten minutes, most of which XLA compiles. Results and a log of each
# step go to $OUT; a summary is printed last. Run it in the root of the checkout.
#
# Each step has a time limit, so that one that hangs does not cost the others. Try it on a CPU
# first, where QUICK=1 makes it small:
#
#     JAX_PLATFORMS=cpu OUT=/tmp/out QUICK=1 bash scripts/benchmarks/gpu.sh
#
# A machine without a network takes what it lacks from wheels in the folder .wheels; see wheels.sh.
set -u
OUT=${OUT:-/tmp/out}
mkdir -p "$OUT"
cp BENCHMARKS.md "$OUT"/
python3 -m pip install -q --no-index --no-deps --target /tmp/extra .wheels/*.whl 2>/dev/null
export PYTHONPATH=$PWD:/tmp/extra PYTHONUNBUFFERED=1 XDG_CACHE_HOME=/tmp/cache
export XLA_PYTHON_CLIENT_PREALLOCATE=false

# step NAME SECONDS COMMAND...: runs a command with a time limit, and notes how it ended.
step() {
  local name=$1 limit=$2 started=$SECONDS
  shift 2
  if [ -n "${QUICK:-}" ]; then limit=$((limit * 8)); fi
  timeout "$limit" "$@" >"$OUT/$name.log" 2>&1
  local code=$? last
  last=$(grep . "$OUT/$name.log" | tail -n 1 | cut -c1-150)
  echo "$name: exit code $code, $((SECONDS - started)) s | $last" | tee -a "$OUT/summary.txt"
}

# pick FULL SMALL: prints SMALL if QUICK is set, and FULL otherwise.
pick() {
  if [ -n "${QUICK:-}" ]; then echo "$2"; else echo "$1"; fi
}

# benchmark PART SECONDS FLAGS...: measures a part, and writes its results to $OUT.
benchmark() {
  local name=$1 limit=$2
  shift 2
  step "$name" "$limit" python3 scripts/benchmark.py --parts="$name" --rounds=2 --record \
    --folder="$OUT" "$@"
}

step card 20 bash -c '
  nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader
  python3 -c "import jax; print(jax.__version__, jax.devices())"'
dreams=$(mktemp -d)
step first 90 python3 -m dreamsound_jax --output_dir="$dreams/first" --seed=1
step second 60 python3 -m dreamsound_jax --output_dir="$dreams/second" --seed=1
step batch 90 python3 -m dreamsound_jax noise --num_clips="$(pick 512 8)" \
  --batch_size="$(pick 64 4)" --noplots --output_dir="$dreams/batch"
small=$(pick "" "--width=0.0625")
benchmark peers 150 --layers=relu5_4 --batch_sizes="$(pick 64 1)" --notorch_compile $small
benchmark stages 120 --precision=bfloat16 --batch_sizes="$(pick 64 1)" $small
benchmark kernels 90 --precision=bfloat16 --batch_sizes="$(pick 64 1)" $small
benchmark accelerator 240 --batch_sizes="$(pick 64 1)" --max_batch="$(pick 256 4)" $small
step tests 120 python3 -m pytest -q -x -p no:cacheprovider tests/parity tests/dreaming \
  tests/networks tests/spectral
echo
cat "$OUT/summary.txt"
nvidia-smi --query-gpu=memory.used,utilization.gpu --format=csv,noheader 2>/dev/null
exit 0
