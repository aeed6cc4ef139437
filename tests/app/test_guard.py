"""What a client may ask for, without Gradio."""

import asyncio
import json

import pytest

from dreamsound_jax.app.guard import Guard
from dreamsound_jax.app.jobs import MOST_MEGABYTES, check_length, check_upload
from dreamsound_jax.system.errors import UserError

OURS = (b"host", b"127.0.0.1:7860")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "app").mkdir()
    (tmp_path / "app/a.wav").write_bytes(b"sound")
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "app/link.wav").symlink_to(tmp_path / "secret")
    return tmp_path / "app"


def ask(folder, path, *, method="GET", body=b"", headers=(OURS,)):
    """Returns (status, the body that the app behind the guard was given)."""
    given, sent = [], []

    async def app(scope, receive, send):
        given.append((await receive())["body"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "headers": list(headers)}
    asyncio.run(Guard(app, folder=folder)(scope, receive, send))
    assert b"content-security-policy" in dict(sent[0]["headers"])
    return sent[0]["status"], given


def test_only_files_of_the_app_are_served(folder):
    assert ask(folder, f"/gradio_api/file={folder}/a.wav")[0] == 200
    for path in (
        *("/etc/passwd", f"{folder}/../secret", f"{folder}/link.wav", f"{folder}", "a.wav", ""),
        *("http://example.org/a.wav", f"{folder}/a\0.wav", "//etc/passwd"),
    ):
        for route in ("/gradio_api/file=", "/file=", "/gradio_api/file/"):
            assert ask(folder, route + path) == (403, []), path
    assert ask(folder, "/gradio_api/proxy=http://example.org/") == (403, [])


def test_only_paths_of_the_app_may_be_sent(folder):
    def sends(path):
        body = json.dumps({"data": [{"meta": {}, "path": path}, None, [1]]}).encode()
        status, given = ask(folder, "/gradio_api/queue/join", method="POST", body=body)
        assert given in ([], [body])
        return status

    assert sends(f"{folder}/a.wav") == 200
    for path in ("/etc/passwd", f"{folder}/link.wav", "http://example.org/a.wav", {"x": 1}, 3):
        assert sends(path) == 403
    for body in (b"{", b"[" * 100000, b" " * 2**21):
        assert ask(folder, "/queue/join", method="POST", body=body) == (403, [])


def test_other_sites_are_refused(folder):
    for headers in (
        [(b"host", b"evil.example:7860")],
        [(b"host", b"127.0.0.1.evil.example")],
        [OURS, (b"origin", b"http://evil.example")],
        [OURS, (b"origin", b"null")],
        [],
    ):
        assert ask(folder, "/", headers=headers) == (403, [])
    assert ask(folder, "/", headers=[OURS, (b"origin", b"http://127.0.0.1:7860")])[0] == 200


def test_a_sound_is_a_file_that_was_uploaded_and_not_too_large(folder, tmp_path):
    assert check_upload(f"{folder}/a.wav", folder) == f"{folder}/a.wav"
    for path in (f"{tmp_path}/secret", f"{folder}/link.wav", f"{folder}/none.wav", "a.wav"):
        with pytest.raises(UserError, match="dropped here"):
            check_upload(path, folder)
    with pytest.raises(UserError, match="Drop a sound first"):
        check_upload(None, folder)
    with (folder / "a.wav").open("wb") as file:
        file.truncate((MOST_MEGABYTES + 1) * 10**6)
    with pytest.raises(UserError, match="201 MB; at most 200 MB"):
        check_upload(f"{folder}/a.wav", folder)
    with pytest.raises(UserError, match="10.5 minutes; at most 10"):
        check_length(630)
