"""What the package is called, needs and contains."""

from pathlib import Path

from setuptools import find_packages, setup

TRAIN = ["grain>=0.2.14", "tensorboardX>=2.6"]
# Its run history, which keeps sounds in the browser, can be turned off; tested with 6.31 alone.
APP = ["gradio>=6.31"]
CLOUD = ["gcsfs>=2025.2", "s3fs>=2025.2"]
STUDIES = ["pandas>=3.0"]
TEST = [
    "hypothesis>=6.100",
    "import-linter>=2.1",
    "ipykernel>=6.29",
    "mypy>=1.15",
    "nbclient>=0.10",
    "nbformat>=5.10",
    "pytest>=8",
    "pytest-xdist>=3.8",
    "ruff>=0.9",
    "selenium>=4.20",
    "setuptools>=77",
    *STUDIES,
    *TRAIN,
]
# CI installs these heavy packages; without them the tests that need them are skipped.
PARITY = [*TEST, *APP, *CLOUD, "gcp-storage-emulator>=2026.7", "moto[server]>=5", "torch>=2.4"]

setup(
    name="dreamsound-jax",
    version="0.2.0",
    description="DeepDream for sound, in JAX",
    long_description=Path("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    license_files=["LICENSE", "dreamsound_jax/outputs/page/datatables/LICENSE.txt"],
    python_requires=">=3.11",
    packages=[
        *find_packages(include=["dreamsound_jax*"]),
        # Flag files and checkpoints stand at the top of a clone; installed, they go inside.
        "dreamsound_jax.configs",
        "dreamsound_jax.checkpoints",
    ],
    package_dir={
        "dreamsound_jax.configs": "configs",
        "dreamsound_jax.checkpoints": "checkpoints",
    },
    package_data={
        "dreamsound_jax": ["py.typed"],
        "dreamsound_jax.audio": ["recordings/*"],
        "dreamsound_jax.outputs.page": ["*.html", "*.css", "*.js", "datatables/*"],
        "dreamsound_jax.configs": ["*"],
        "dreamsound_jax.checkpoints": ["**/*"],
    },
    include_package_data=False,
    entry_points={
        "console_scripts": [
            "dreamsound = dreamsound_jax.cli.main:run_command",
            "dreamsound-app = dreamsound_jax.app.main:run_command",
        ]
    },
    install_requires=[
        "absl-py>=2.1",
        "av>=17",  # the first whose wheels are for every Python from 3.11 on
        "etils[epath]>=1.9",
        "flatbuffers>=24.3.25",  # jax.export serializes with it
        "flax>=0.12.1",  # the first for JAX 0.10
        "fsspec>=2025.2",
        "jax>=0.10",
        "librosa>=0.11",
        "matplotlib>=3.9",
        "numpy>=2.0",
        "ml_dtypes>=0.5",
        "optax>=0.2.5",
        "orbax-checkpoint>=0.12",  # the v1 API
        "pooch>=1.8",
        "pyloudnorm>=0.2",  # the first with `blockwise_loudness`
        "scipy>=1.15",
        "soundfile>=0.13",
        "soxr>=0.5",
        "tqdm>=4.66",
    ],
    extras_require={
        "app": APP,
        "cloud": CLOUD,
        "train": TRAIN,
        "studies": STUDIES,
        "test": TEST,
        "parity": PARITY,
    },
)
