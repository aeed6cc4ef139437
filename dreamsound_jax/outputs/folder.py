"""The folder of a run: which one it is, params.json and index.html."""

import datetime
import importlib.metadata
import json

import jax
from etils import epath

from dreamsound_jax.outputs.page import page
from dreamsound_jax.system import storage
from dreamsound_jax.system.errors import UserError, reason_of
from dreamsound_jax.system.storage import write_json

FREE_FLAGS = ("output_dir", "save_every")  # what a run may go on with in another way
PACKAGES = ("dreamsound-jax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")


def earlier_run(output_dir, flags):
    """The params.json of the run that `output_dir` holds and `flags` would go on with, or None.

    Raises:
      UserError: the folder cannot be read, or holds a run with other flags.
    """
    if output_dir is None:
        return None
    path = epath.Path(output_dir) / "params.json"
    try:
        if not path.exists():
            return None
    except Exception as error:  # each cloud client has its own family of errors
        raise UserError(f"cannot look into {output_dir!r}: {reason_of(error)}") from error
    try:
        params = json.loads(path.read_text())
        given = json.loads(json.dumps(flags))
        there = {name: params["flags"].get(name) for name in given}
    except Exception as error:  # each cloud client has its own family of errors
        raise UserError(
            f"{output_dir!r} already holds a run, which cannot be read ({reason_of(error)}); name "
            "another --output_dir"
        ) from error
    if flags["seed"] is None:
        given["seed"] = there["seed"]
    other = [name for name in given if given[name] != there[name] and name not in FREE_FLAGS]
    if other:
        told = ", ".join(f"--{name} {there[name]}, not {given[name]}" for name in other)
        raise UserError(
            f"{output_dir!r} already holds a run with {told}; name another --output_dir"
        )
    return params


def make_folder(output_dir):
    """Makes the folder of a run: `output_dir`, or outputs/N with N the next free number.

    Raises:
      UserError: the folder cannot be made.
    """
    try:
        if output_dir is None:
            return _next_numbered(epath.Path("outputs"))
        folder = epath.Path(output_dir)
        if not storage.is_cloud(folder):  # a store has no folders, and s3fs would make a bucket
            folder.mkdir(parents=True, exist_ok=True)
        return folder
    except Exception as error:  # each cloud client has its own family of errors
        place = output_dir or "outputs"
        raise UserError(f"cannot make the output folder {place!r}: {reason_of(error)}") from error


def _next_numbered(parent):
    parent.mkdir(parents=True, exist_ok=True)
    taken = [int(path.name) for path in parent.iterdir() if path.name.isdecimal()]
    number = max(taken, default=0)
    while True:  # another run may take the number first: then the next
        number += 1
        try:
            (parent / str(number)).mkdir()
        except FileExistsError:
            continue
        return parent / str(number)


def write_params(folder, *, flags, command, targets):
    """Writes params.json: all that is needed to run again."""
    told = _told_of_run(command, flags["seed"])
    told |= {"seed": flags["seed"], "flags": flags, "target_classes": targets}
    write_json(folder / "params.json", told)


def write_index(folder, records, *, command, seed):
    """Writes index.html, where all clips of `records`, a `Manifest`'s, are seen and heard."""
    failed = sum("error" in each for each in records.values())
    told = _told_of_run(command, seed)
    told["versions"] = ", ".join(f"{name} {version}" for name, version in told["versions"].items())
    told["device"] = told["device"]["kind"]
    told["clips"] = f"{len(records) - failed} done, {failed} failed"
    html = page.index_html(list(records.values()), title=f"DreamSound: {folder.name}", facts=told)
    storage.write_whole(folder / "index.html", html.encode(), shared=True)


def _told_of_run(command, seed):
    device = jax.devices()[0]
    return {
        "command": f"{command} --seed={seed}",
        "versions": {name: _version(name) for name in PACKAGES},
        "device": {"platform": device.platform, "kind": device.device_kind},
        "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
    }


def _version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:  # run from a clone that is not installed
        return None
