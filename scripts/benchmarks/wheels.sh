#!/usr/bin/env bash
# Fetches into .wheels what a machine with a GPU, JAX, Flax, Orbax and PyTorch may lack, where that
# machine has no network. It is for Python 3.12 on x86-64; gpu.sh installs it.
set -euo pipefail
mkdir -p .wheels
python3 -m pip download -q -d .wheels --only-binary=:all: --no-deps --python-version 3.12 \
  --platform manylinux_2_28_x86_64 --platform manylinux_2_27_x86_64 \
  --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 --platform any \
  librosa decorator soundfile cffi pycparser soxr pyloudnorm pooch platformdirs \
  pytest-xdist execnet
du -sh .wheels
