"""The command `dreamsound-app`."""

import argparse
import importlib.util
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dreamsound_jax.system.errors import UserError

if TYPE_CHECKING:
    from dreamsound_jax.app.dreamer import Dreamer

PORT = 7860
# Read when Gradio is imported. It would report its use, look for newer versions of itself, and fail
# with a backend of Matplotlib that is not there.
QUIET = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
    "GRADIO_SHARE": "False",
    "GRADIO_ALLOWED_PATHS": "",
    "GRADIO_MCP_SERVER": "False",
    "GRADIO_SSR_MODE": "False",
    "MPLBACKEND": "agg",
}


def run_command() -> None:
    """The console script."""
    try:
        _serve(_parse(sys.argv[1:]))
    except UserError as error:
        print(f"dreamsound-app: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="dreamsound-app",
        description="Opens a page in the browser, on which a sound can be dropped to dream on it. "
        "The page is for this computer alone: nothing is sent anywhere.",
    )
    parser.add_argument(
        "--port", type=int, default=PORT, help="of the page on 127.0.0.1 (default %(default)s)"
    )
    parser.add_argument("--noopen", action="store_true", help="do not open the browser")
    return parser.parse_args(arguments)


def _serve(asked: argparse.Namespace) -> None:
    if importlib.util.find_spec("gradio") is None:
        raise UserError("the app needs Gradio: pip install 'dreamsound-jax[app]'")
    if not 1 <= asked.port <= 65535:
        raise UserError(f"--port must be from 1 to 65535, and is {asked.port}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="dreamsound-app-") as folder:
        os.environ.update(QUIET, GRADIO_TEMP_DIR=folder)
        _open(Path(folder), asked)


def _open(folder: Path, asked: argparse.Namespace) -> None:
    """Serves the page until it is interrupted."""
    from dreamsound_jax.app.dreamer import Dreamer

    dreamer = Dreamer()  # It gets ready while Gradio is imported.
    try:
        launch(dreamer, folder, port=asked.port, opens_browser=not asked.noopen)
    finally:
        dreamer.close()


def launch(dreamer: "Dreamer", folder: Path, *, port: int, opens_browser: bool) -> None:
    """Serves the page on 127.0.0.1, and returns when it was interrupted.

    Raises:
      UserError: the port is taken.
    """
    from starlette.middleware import Middleware

    from dreamsound_jax.app import events, page
    from dreamsound_jax.app.guard import Guard
    from dreamsound_jax.app.jobs import MOST_MEGABYTES

    blocks, chosen, buttons, shown = page.build()
    events.connect(blocks, chosen, buttons, shown, dreamer=dreamer, folder=folder)
    try:
        blocks.launch(
            server_name="127.0.0.1",
            server_port=port,
            inbrowser=opens_browser,
            share=False,
            quiet=True,
            show_error=False,
            footer_links=[],
            run_history=False,
            allowed_paths=[],
            max_file_size=f"{MOST_MEGABYTES}mb",
            enable_monitoring=False,
            strict_cors=True,
            ssr_mode=False,
            pwa=False,
            mcp_server=False,
            theme=page.theme(),
            css=page.CSS,
            app_kwargs={"middleware": [Middleware(Guard, folder=folder)]},
            prevent_thread_lock=True,
        )
    except OSError:
        raise UserError(f"--port={port} is taken; give another one") from None
    print(f"DreamSound is at http://127.0.0.1:{port} (Ctrl-C ends it)", flush=True)
    threading.Event().wait()
