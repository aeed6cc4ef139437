"""A fixed corpus of cases: the same files on each machine, whatever is installed there.

    cd scripts && python -m studies.hunt.corpus

writes the digests by which a test tells that, after a change of what is mutated, or how.
"""

import hashlib
import json
import tempfile
from pathlib import Path

import numpy as np

from studies.hunt.bounded import Case
from studies.hunt.mutate import mutate
from studies.hunt.targets import BASE_FILES, MEDIA, SOUNDS, find_targets

KINDS = (
    *(*SOUNDS, *MEDIA, "checkpoint list", "checkpoint metadata", "checkpoint data"),
    *("card", "flags", "objective", "manifest", "params", "rounds", "rounds state", "npy"),
    *("trace", "spectrogram cache", "class folder", "urbansound8k", "fma-small", "safetensors"),
    *("pth", "legacy pth", "soundfont"),
)
"""All kinds, in the order in which seeds are dealt to them."""
CASES = 300
DIGESTS = BASE_FILES / "digests.json"
# JAX writes a trace, and other versions, and other machines, write others.
WRITTEN_ANEW = ("trace",)


def list_corpus() -> list[Case]:
    """Returns the cases: mutated and planted files of all kinds that can be read here."""
    dealt = [Case(KINDS[seed % len(KINDS)], seed) for seed in range(CASES)]
    planted = [Case(kind, seed) for kind in KINDS for seed in (-1, -2, -3)]
    return [case for case in planted + dealt if case.kind in find_targets()]


def digest_corpus(kind: str, folder: Path) -> str:
    """Returns the digest of all mutated files of a kind; they are made in an empty folder."""
    content, digest = find_targets()[kind].make(folder).read_bytes(), hashlib.sha256()
    for case in list_corpus():
        if case.kind == kind and case.seed >= 0:
            digest.update(mutate(np.random.default_rng(case.seed), content))
    return digest.hexdigest()


def read_digests() -> dict[str, str]:
    """Returns {kind: digest} as they must be."""
    return json.loads(DIGESTS.read_text(encoding="utf-8"))


def write_digests() -> None:
    """Writes the digests of the corpus as it is now."""
    digests = {}
    for kind in KINDS:
        if kind not in WRITTEN_ANEW:
            with tempfile.TemporaryDirectory() as folder:
                digests[kind] = digest_corpus(kind, Path(folder))
    DIGESTS.write_text(f"{json.dumps(digests, indent=1)}\n", encoding="utf-8")


if __name__ == "__main__":
    write_digests()
