"""The folder of a run: where it is, its params.json and its index.html."""

import datetime
import importlib.metadata
import json
import logging
import time
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import jax
from etils import epath

from dreamsound_jax.outputs.page import page
from dreamsound_jax.system import storage
from dreamsound_jax.system.errors import UserError, reason_of

log = logging.getLogger(__name__)

PAGE = "index.html"
# While a process waits for another, it looks so often, and says so after a while.
_SECONDS_BETWEEN_LOOKS = 0.5
_SECONDS_UNTIL_SAID = 10.0
# Flags that change which files are written of a dream, and nothing of the dream itself.
_OF_FILES = ("video", "plots", "arrays", "write_input", "format", "bit_depth", "loudness", "name")
_PACKAGES = ("dreamsound-jax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")


def find_earlier_run(
    output_dir: str | None,
    flags: Mapping[str, Any],
    *,
    may_differ: Collection[str],
    may_be_added: Collection[str] = (),
    defaults: Mapping[str, Any] = MappingProxyType({}),
) -> dict | None:
    """Finds the run in a folder that a run with these flags would resume.

    Args:
      output_dir: the folder; without one, there is nothing to resume.
      flags: the flags of the new run. If their `seed` is None, any earlier seed will do.
      may_differ: the names of the flags that may change when a run is resumed.
      may_be_added: the names of the flags that may be given when a run is resumed without them.
      defaults: {flag: value} of a run that was begun before there was such a flag.

    Returns:
      The content of its params.json, or None if the folder holds no run.

    Raises:
      UserError: the folder cannot be read, or holds a run with other flags.
    """
    if output_dir is None:
        return None
    params = _read_params(output_dir)
    if params is None:
        return None
    given, before = (json.loads(json.dumps(dict(each))) for each in (flags, defaults))
    earlier = before | params["flags"]
    free = {*may_differ, *(["seed"] if flags["seed"] is None else [])}
    free |= {name for name in may_be_added if not earlier.get(name)}
    changed = [n for n in given if n not in free and given[n] != earlier.get(n)]
    if changed:
        listed = ", ".join(
            f"{_describe_flag(name, earlier.get(name))}, not {_describe_flag(name, given[name])}"
            for name in changed
        )
        raise UserError(
            f"{output_dir!r} already holds a run with {listed}; name another --output_dir"
            f"{_add_seed(changed, params['seed'])}"
        )
    return params


def _add_seed(changed, seed):
    """Returns how to make the same dreams anew, if only their files are to differ."""
    if not {*changed} <= {*_OF_FILES}:
        return ""
    return f", and add --seed={seed} for the same dreams"


def _describe_flag(name, value):
    if isinstance(value, bool):
        return f"--{name}" if value else f"--no{name}"
    return f"no --{name}" if value is None else f"--{name} {value}"


def wait_for_run(
    output_dir: str,
    flags: Mapping[str, Any],
    *,
    seconds: float,
    **allowed: Any,
) -> dict:
    """Waits until another process has begun a run in a folder, and returns what it wrote there.

    Args:
      output_dir, flags: as for `find_earlier_run`.
      seconds: how long to wait.
      **allowed: what may differ, as for `find_earlier_run`.

    Returns:
      The content of params.json.

    Raises:
      UserError: there is still no run, or the folder cannot be read, or holds a run with other
        flags.
    """
    started, said = time.monotonic(), False
    while True:
        params = find_earlier_run(output_dir, flags, **allowed)
        waited = time.monotonic() - started
        if params is not None:
            return params
        if waited >= seconds:
            raise UserError(
                f"process 0 has not written the seed to {output_dir!r} within {seconds:g} s: see "
                "whether it runs, and writes to the same folder; or give all processes a --seed"
            )
        if waited >= _SECONDS_UNTIL_SAID and not said:
            log.info("waiting for process 0 to write the seed to %s", output_dir)
            said = True
        time.sleep(min(_SECONDS_BETWEEN_LOOKS, max(0.0, seconds - waited)))


def _read_params(output_dir):
    """Reads the params.json of a folder; None if there is none."""
    path = storage.path_of(output_dir) / "params.json"
    try:
        if not path.exists():
            return None
    except Exception as error:  # Each cloud client has its own family of errors.
        raise UserError(f"cannot look into {output_dir!r}: {reason_of(error)}") from error
    try:
        params = json.loads(path.read_text())
        _check_params(params)
    except Exception as error:  # Each cloud client has its own family of errors.
        raise UserError(
            f"{output_dir!r} already holds a run, but its params.json cannot be read "
            f"({reason_of(error)}); name another --output_dir"
        ) from error
    return params


def _check_params(params):
    """Raises ValueError unless a run can be resumed by these."""
    if not isinstance(params, dict):
        raise ValueError("it is not an object")
    if not isinstance(params.get("flags"), dict):
        raise ValueError("its flags are not an object")
    if type(seed := params.get("seed")) is not int or not 0 <= seed < 2**32:
        raise ValueError("its seed is not an integer of 32 bits")
    inputs = params.get("inputs", [])
    if not isinstance(inputs, list) or not all(isinstance(each, str) for each in inputs):
        raise ValueError("its inputs are not a list of names")


def make_folder(output_dir: str | None) -> epath.Path:
    """Makes the folder of a run.

    Args:
      output_dir: the folder. Without one, it is outputs/N, with N the next free number.

    Raises:
      UserError: the folder cannot be made.
    """
    try:
        if output_dir is None:
            return _make_numbered_folder(epath.Path("outputs"))
        folder = storage.path_of(output_dir)
        if not storage.is_cloud(folder):  # A store has no folders, and s3fs would make a bucket.
            folder.mkdir(parents=True, exist_ok=True)
        return folder
    except UserError:
        raise
    except Exception as error:  # Each cloud client has its own family of errors.
        place = output_dir or "outputs"
        raise UserError(f"cannot make the output folder {place!r}: {reason_of(error)}") from error


def _make_numbered_folder(parent):
    parent.mkdir(parents=True, exist_ok=True)
    taken = [int(path.name) for path in parent.iterdir() if path.name.isdecimal()]
    number = max(taken, default=0)
    while True:
        number += 1
        try:
            (parent / str(number)).mkdir()
        except FileExistsError:  # Another run was faster; the next number may be free.
            continue
        return parent / str(number)


def write_params(
    folder: epath.Path,
    *,
    flags: Mapping[str, Any],
    command: str,
    inputs: Sequence[str],
    target_classes: Mapping[str, str],
    parts: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
    anew: bool = False,
) -> bool:
    """Writes params.json, which holds all that is needed to repeat a run.

    Args:
      folder: the folder of the run.
      flags: every flag as used; `seed` is not None.
      command: the command line of the run, without its seed.
      inputs: the inputs that were found, in the order of the clips.
      target_classes: the class that each clip dreams of, by clip name.
      parts: what the run is made with and must not change: {kind: {name: digest or fingerprint}}.
      anew: whether one that is there is replaced.

    Returns:
      Whether it was written: of several processes that begin a run, one writes it.
    """
    params = _describe_run(command, flags["seed"])
    params |= {"seed": flags["seed"], "flags": dict(flags), "inputs": list(inputs)}
    params |= {"target_classes": dict(target_classes), **parts}
    content = storage.encode_json(params)
    if not anew:
        return storage.write_new(folder / "params.json", content)
    storage.write_whole(folder / "params.json", content, shared=True)
    return True


def write_index(
    folder: epath.Path,
    records: Mapping[int, Mapping],
    *,
    command: str,
    seed: int,
    count: int | None = None,
    notes: Mapping[str, str] | None = None,
    is_preview: bool = False,
) -> None:
    """Writes index.html, a page on which all clips of a run are seen and heard.

    Args:
      folder: the folder of the run.
      records: the records of its manifest, by clip number; `command` in them is the command that
        makes the clip again.
      command: the command line of the run, without its seed.
      seed: the seed of the run.
      count: how many clips the run has; None for as many as there are records.
      notes: what the page says of the run above its table, name to text.
      is_preview: whether the run is a preview, whose clips are grouped by their inputs.
    """
    facts = _describe_run(command, seed)
    facts["versions"] = ", ".join(f"{name} {v}" for name, v in facts["versions"].items())
    facts["device"] = facts["device"]["kind"]
    failed = sum("error" in record for record in records.values())
    facts["clips"] = f"{len(records) - failed} done, {failed} failed"
    html = page.index_html(
        list(records.values()),
        title=f"DreamSound: {folder.name}",
        facts=facts,
        notes=notes,
        missing=max(0, (count or 0) - len(records)),
        is_preview=is_preview,
    )
    storage.write_whole(folder / PAGE, html.encode(), shared=True)


def _describe_run(command, seed):
    device = jax.devices()[0]
    return {
        "command": f"{command} --seed={seed}",
        "versions": {name: _find_version(name) for name in _PACKAGES},
        "device": {"platform": device.platform, "kind": device.device_kind},
        "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
    }


def _find_version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:  # It runs from a clone that is not installed.
        return None
