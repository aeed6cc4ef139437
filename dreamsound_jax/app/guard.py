"""What stands between the browser and Gradio: only this machine, and only files of this app.

Gradio has checks of its own. These are few, stand in one place, and do not change with its version.
"""

import json
import os
import re
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

HOSTS = ("127.0.0.1", "localhost")
# Routes of Gradio that name a file of the server, or that fetch from other servers.
_FILE = re.compile(r"/file[=/](?P<path>.*)", re.DOTALL)
_ELSEWHERE = re.compile(r"/proxy=|/dev/reload")
# The browser asks no other server for anything. Gradio's page has scripts and styles inside.
_POLICY = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; "
    "frame-ancestors 'none'; form-action 'self'; base-uri 'self'"
)
_HEADERS = [
    (b"content-security-policy", _POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
]
_MOST_BYTES = 2**20  # Of what the page sends in one request, files aside.


class Guard:
    """ASGI middleware that refuses requests from elsewhere, and paths outside of one folder."""

    def __init__(self, app: Any, *, folder: Path) -> None:
        """Guards `app`; `folder` holds what is uploaded and what is made."""
        self._app, self._folder = app, folder.resolve()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request, or hands it on."""
        if scope["type"] == "websocket":
            return  # The app has none.
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._refuse(scope)
        if not refusal and _has_json(scope):
            body = await _read(receive)
            refusal = self._refuse_body(body)
            receive = _replay(body, receive)
        if refusal:
            await _answer(send, 403, refusal)
            return

        async def send_with_headers(message):
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *_HEADERS]
            await send(message)

        await self._app(scope, receive, send_with_headers)

    def _refuse(self, scope):
        """Returns why a request is refused, judged by its head; None if it is not."""
        headers = dict(scope["headers"])
        host = headers.get(b"host", b"").decode("latin-1")
        # Another site may have its own name lead to 127.0.0.1, and then ask as if it were this one.
        if urlsplit(f"//{host}").hostname not in HOSTS:
            return "this app answers on 127.0.0.1 only"
        origin = headers.get(b"origin", b"").decode("latin-1")
        if origin and urlsplit(origin).netloc != host:
            return "this app answers to its own page only"
        if _ELSEWHERE.search(scope["path"]):
            return "this app asks no other server"
        file = _FILE.search(scope["path"])
        if file and not self._is_ours(file["path"]):
            return "this file is not one of the app"
        return None

    def _refuse_body(self, body):
        if body is None:
            return "the request is too large"
        try:
            sent = json.loads(body or b"null")
        except (ValueError, RecursionError):
            return "the request is not JSON"
        if not all(self._is_ours(path) for path in _paths_in(sent)):
            return "a sound must be a file that was dropped on the page"
        return None

    def _is_ours(self, path):
        if not isinstance(path, str) or "\0" in path:
            return False
        real = Path(os.path.realpath(path))
        return os.path.isabs(path) and real.is_relative_to(self._folder) and real != self._folder


def _paths_in(sent: Any) -> Iterator[Any]:
    """Yields the paths of all files that are named in what was sent."""
    waiting = [sent]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            if each.get("path") is not None:
                yield each["path"]
            waiting.extend(each.values())
        elif isinstance(each, list):
            waiting.extend(each)


def _has_json(scope):
    kind = dict(scope["headers"]).get(b"content-type", b"")
    return scope["method"] == "POST" and not kind.startswith(b"multipart/form-data")


async def _read(receive):
    """Returns the body of a request; None if it is too large."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            break
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > _MOST_BYTES:
            return None
    return body


def _replay(body, receive):
    """Returns a `receive` that gives the body first."""
    waiting = [{"type": "http.request", "body": body or b"", "more_body": False}]

    async def replayed():
        return waiting.pop() if waiting else await receive()

    return replayed


async def _answer(send, status, text):
    headers = [(b"content-type", b"text/plain; charset=utf-8"), *_HEADERS]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})
