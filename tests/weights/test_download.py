"""Published weights are downloaded and checked."""

import http.server
import json
import threading
from pathlib import Path

import pytest

from dreamsound_jax.system.errors import UserError
from dreamsound_jax.weights.conversion_request import ConversionRequest
from dreamsound_jax.weights.download import download_weights
from tests.helpers.published import publish_tiny_model, set_source_url

CONTENT = bytes(range(256)) * 20
REQUEST = ConversionRequest("tiny", {})


@pytest.fixture
def published(tmp_path, monkeypatch):
    """The folder of a published model, `tiny`; the cache of downloads is empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    return publish_tiny_model(tmp_path / "checkpoints", CONTENT, monkeypatch)


class Server(http.server.ThreadingHTTPServer):
    """Serves `content` at every address, and notes the requested addresses."""

    def __init__(self, content):
        self.content, self.requested = content, []
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.requested.append(self.path)
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.content)))
        self.end_headers()
        self.wfile.write(self.server.content)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    server = Server(CONTENT)
    yield server
    server.shutdown()
    server.server_close()


def test_a_file_is_downloaded_once(published, server, capsys):
    set_source_url(published, f"http://127.0.0.1:{server.server_port}/tiny.pth")
    first, again = download_weights(REQUEST), download_weights(REQUEST)
    assert first == again and server.requested == ["/tiny.pth"]
    assert Path(first).read_bytes() == CONTENT
    assert "100%" in capsys.readouterr().err


def test_a_file_without_a_known_digest_or_size_is_downloaded(published, server):
    set_source_url(published, f"http://127.0.0.1:{server.server_port}/tiny.pth")
    card = json.loads((published / "card.json").read_text())
    del card["source"]["sha256"], card["source"]["bytes"]
    (published / "card.json").write_text(json.dumps(card))
    assert Path(download_weights(REQUEST)).read_bytes() == CONTENT


def test_a_download_uses_the_proxy(published, server, monkeypatch):
    set_source_url(published, "http://weights.invalid/tiny.pth")
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.server_port}")
    download_weights(REQUEST)
    assert server.requested == ["http://weights.invalid/tiny.pth"]


def test_a_damaged_download_leaves_nothing_and_is_repeated(published, server, tmp_path):
    set_source_url(published, f"http://127.0.0.1:{server.server_port}/tiny.pth")
    server.content = CONTENT[:1000]
    with pytest.raises(UserError, match="cannot download .*give --pth=FILE"):
        download_weights(REQUEST)
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    server.content = CONTENT
    assert Path(download_weights(REQUEST)).read_bytes() == CONTENT


def test_a_missing_server_is_named_in_one_line(published):
    with pytest.raises(UserError, match="cannot download http://127.0.0.1:9/tiny.pth") as caught:
        download_weights(REQUEST)
    assert "tiny.pth: no connection (ConnectionError); if you have the file" in str(caught.value)


def test_only_published_models_are_downloaded(published):
    with pytest.raises(UserError, match=r"a published model \(tiny\), got mine"):
        download_weights(ConversionRequest("mine", {}))
