"""Downloads published PyTorch weights."""

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

    The file's SHA-256 or MD5 is verified; a damaged file in the cache is downloaded again.

    Returns:
      The path of the file.

    Raises:
      UserError: the model is not a published one, the checkpoint has no room on the disk, or the
        download failed.
    """
    import pooch

    entries = request.published_entries
    if entries is None:
        names = ", ".join(find_published_models())
        raise UserError(
            f"--download needs --model to be a published model ({names}), got {request.name}"
        )
    source = entries["source"]
    check_destination(request.folder, size=2 * source["bytes"])
    pooch.get_logger().setLevel("WARNING")
    try:
        return pooch.retrieve(
            source["url"],
            known_hash=":".join(known_digest(source)),
            fname=source["file"],
            path=user_cache_folder() / "downloads",
            downloader=pooch.HTTPDownloader(progressbar=True),
        )
    except Exception as error:  # requests, urllib3, pooch and the disk each raise their own types.
        raise UserError(
            f"cannot download {source['url']}: {reason_of(error)}; if you have the file, give "
            "--pth=FILE instead"
        ) from error
