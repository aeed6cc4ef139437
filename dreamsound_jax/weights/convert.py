"""Makes a checkpoint of a PyTorch file: downloads, verifies, converts, writes."""

import hashlib
import re
from dataclasses import dataclass, fields
from pathlib import Path

import jax

from dreamsound_jax.networks import catalogue, loading
from dreamsound_jax.networks.card import Card, read_entries
from dreamsound_jax.system import runtime
from dreamsound_jax.system.errors import UserError, reason_of
from dreamsound_jax.system.shipped import shipped
from dreamsound_jax.weights.publish import check_place, publish
from dreamsound_jax.weights.torch_file import open_state_dict
from dreamsound_jax.weights.torch_weights import from_torch

NEEDED = ("classes", "mean", "std")
FULL_SIZE = {"width": 1.0, "hidden": 4096}


@dataclass(frozen=True)
class Wanted:
    """What a PyTorch file is to become.

    Attributes:
      name: of the model.
      given: entries of its card: classes, mean, std, width, hidden; others come from the card that
        the model has already.
      output: the checkpoint's folder, or None for `checkpoints/NAME`.
      verify_hash: whether only the published file will do, of a model that is published.
    """

    name: str
    given: dict
    output: str | None = None
    verify_hash: bool = True

    @property
    def folder(self):
        """Where the checkpoint goes."""
        return Path(self.output or shipped("checkpoints") / self.name)

    def how_to_use(self):
        """The flag that dreams with it."""
        return f"--checkpoint={self.output}" if self.output else f"--model={self.name}"

    def entries(self):
        """The card, as JSON types, without its source.

        Raises:
          UserError: no such card, and not all given that it needs; a name that is no folder's.
        """
        if not re.fullmatch(r"[\w.-]*\w", self.name):
            raise UserError(f"--model={self.name}: accepted are letters, digits, - and _")
        known = self.published() or {"description": "A VGG19, converted from PyTorch."}
        missing = [f"--{key}" for key in NEEDED if key not in known | self.given]
        if missing:
            raise UserError(
                f"{self.name} is none of the published models ({', '.join(_published())}), so its "
                f"card needs {', '.join(missing)}"
            )
        entries = known | self.given | {"name": self.name}
        entries["classes"] = _class_names(entries["classes"])
        return entries | {key: size for key, size in FULL_SIZE.items() if key not in entries}

    def published(self):
        """All that the card of a published model says; None for another name."""
        return _published().get(self.name)


def _published():
    """{name: card} of the models whose weights are published, and known by their hash."""
    found = {}
    for name in catalogue.model_names():
        card = read_entries(shipped("checkpoints") / name)
        source = card.pop("published", card.get("source", {}))
        if "url" in source:
            found[name] = card | {"source": source}
    return found


def _class_names(classes):
    """Names of classes; of a number alone, class_0 and so on."""
    if len(classes) == 1 and str(classes[0]).isdigit():
        return [f"class_{index}" for index in range(int(classes[0]))]
    return list(classes)


def download(wanted):
    """Fetches the published file, once, and returns its path; a broken one is fetched anew.

    Raises:
      UserError: the model is not published, or its file cannot be had.
    """
    import pooch

    published = wanted.published()
    if published is None:
        names = ", ".join(_published())
        raise UserError(f"--download: {wanted.name} is not published; accepted are {names}")
    check_place(wanted.folder, size=2 * published["source"]["bytes"])
    source, cache = published["source"], Path(runtime.cache_folder()) / "downloads"
    pooch.get_logger().setLevel("WARNING")
    try:
        return pooch.retrieve(
            source["url"],
            known_hash=f"sha256:{source['sha256']}",
            fname=source["file"],
            path=cache,
            downloader=pooch.HTTPDownloader(progressbar=True),
        )
    except Exception as error:  # of requests, urllib3, pooch and the disk
        raise UserError(
            f"cannot download {source['url']}: {reason_of(error)}; with the file at hand, "
            "give --pth=FILE"
        ) from error


def convert(path, wanted):
    """Writes the checkpoint of the PyTorch file `path`; returns a line that tells how to use it.

    Little more memory is used than the largest layer takes.

    Raises:
      UserError: a file that is no such network, or not the published one; no room to write.
    """
    entries = wanted.entries()
    known = {field.name for field in fields(Card)}
    card = Card(**{key: value for key, value in entries.items() if key in known})
    shapes = loading.weight_shapes(card)
    size = sum(4 * leaf.size for leaf in jax.tree.leaves(shapes))
    check_place(wanted.folder, size=size)
    _keep_what_was_trained(wanted.folder)
    with open_state_dict(path) as tensors:
        layers = from_torch(tensors, shapes)
        entries |= _origin(path, wanted)
        publish(wanted.folder, layers, entries, size=size)
    return f"{wanted.folder}: dream with {wanted.how_to_use()}"


def _keep_what_was_trained(folder):
    if (folder / "card.json").exists() and "rebuild" in read_entries(folder):
        raise UserError(f"{folder} has a network that was trained; choose another name or --output")


def _origin(path, wanted):
    """Where the weights come from, by their hash: an entry or two of the card."""
    published, digest = wanted.published(), _sha256(path)
    if published is None:
        return {"source": {"file": Path(path).name, "sha256": digest}}
    if digest == published["source"]["sha256"]:
        return {"source": published["source"]}
    if wanted.verify_hash:
        raise UserError(
            f"{path} is not the published {published['source']['file']}: its sha256 is {digest}, "
            f"not {published['source']['sha256']}; --noverify_hash converts it all the same"
        )
    source = {"file": Path(path).name, "sha256": digest}
    return {"source": source, "published": published["source"]}


def _sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
