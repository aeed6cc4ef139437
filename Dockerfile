# DreamSound in a container.
#
#   docker build -t dreamsound .                                   CPU
#   docker build -t dreamsound --build-arg ACCELERATOR=cuda13 .    NVIDIA GPU
#
#   docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/work" dreamsound my.wav
#   docker run --rm --gpus=all -v "$PWD:/work" dreamsound my.wav   with the NVIDIA Container Toolkit
#
# The image was not built; its commands were tried one by one. The wheels of JAX bring CUDA along,
# so that the machine needs a driver and nothing else.
FROM python:3.12-slim

# An extra of JAX, such as cuda13 or cuda12; empty for the CPU.
ARG ACCELERATOR=""

WORKDIR /source
COPY setup.py pyproject.toml README.md LICENSE ./
COPY dreamsound_jax dreamsound_jax
COPY configs configs
COPY checkpoints checkpoints
RUN pip install --no-cache-dir ".[cloud]" ${ACCELERATOR:+"jax[$ACCELERATOR]"}

# Any user may run it. Mount a volume on /cache, and later runs start sooner.
RUN mkdir -m 1777 /cache
ENV XDG_CACHE_HOME=/cache \
    MPLCONFIGDIR=/cache/matplotlib \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility

WORKDIR /work
ENTRYPOINT ["dreamsound"]
