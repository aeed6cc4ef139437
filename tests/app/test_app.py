"""The app in a browser, from a sound that is dropped to a dream that is downloaded."""

import json
import os
import re
import shlex
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import numpy as np
import pytest
import soundfile
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from dreamsound_jax.app import main
from tests.helpers.browser import start_browser
from tests.helpers.commands import dream
from tests.helpers.media import encode_media

# Notes the address of each server that a process of the app connects to.
WATCH = """
import sys
def watch(event, given):
    if event == "socket.connect":
        with open({log!r}, "a") as log:
            print(given[1], file=log)
sys.addaudithook(watch)
"""


class App:
    """The app, started as a user does, and its page in the browser."""

    def __init__(self, browser, folder):
        self.browser, self.folder, self.log = browser, folder, folder / "connected"
        (folder / "sitecustomize.py").write_text(WATCH.format(log=str(self.log)))
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        self.address = f"http://127.0.0.1:{port}/"
        path = os.pathsep.join([str(folder), os.getcwd(), os.environ.get("PYTHONPATH", "")])
        command = "from dreamsound_jax.app.main import run_command; run_command()"
        self.process = subprocess.Popen(
            [sys.executable, "-c", command, "--noopen", f"--port={port}"],
            env={**os.environ, "PYTHONPATH": path, "TMPDIR": str(folder)},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.address.rstrip("/") in self.process.stdout.readline()

    def open(self):
        self.browser.get(self.address)
        self.wait(lambda: self.all("#sound input[type=file]"))

    def all(self, selector):
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector):
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def wait(self, condition, *, seconds=60):
        return WebDriverWait(self.browser, seconds, poll_frequency=0.1).until(lambda _: condition())

    def drop(self, path):
        self.one("#sound input[type=file]").send_keys(str(path))
        self.wait(lambda: path.name in "".join(self.one("#sound").text.split("\n")))

    def go(self):
        self.wait(lambda: self.one("#go").is_enabled())
        self.one("#go").click()

    def status(self):
        return self.one("#status").text

    def wait_for_status(self, text, *, seconds=60):
        self.wait(lambda: text in self.status(), seconds=seconds)

    def ask(self, path, **given):
        """Returns (status, body) of a request to the server."""
        try:
            with urllib.request.urlopen(urllib.request.Request(self.address + path, **given)) as r:
                return r.status, r.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    pytest.importorskip("gradio", reason="needs dreamsound-jax[app]")
    browser = start_browser(tmp_path_factory.mktemp("profile"))
    app = App(browser, tmp_path_factory.mktemp("app"))
    yield app
    browser.quit()
    app.process.terminate()
    assert app.process.wait(20) == 143
    assert not list(app.folder.glob("dreamsound-app-*"))  # Nothing is left behind.


@pytest.fixture
def sound(tmp_path):
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, (13230, 2))
    soundfile.write(tmp_path / "my loop.wav", noise, 22050, subtype="PCM_24")
    return tmp_path / "my loop.wav"


@pytest.mark.slow
def test_from_a_sound_that_is_dropped_to_a_dream_that_is_downloaded(
    app, sound, tmp_path, compiled_in_full
):
    app.open()
    app.go()
    app.wait_for_status("Drop a sound first.")
    app.drop(sound)
    app.go()
    app.wait_for_status("Done: ", seconds=120)
    command = app.one("#command textarea").get_attribute("value")
    # Gradio keeps the name of a file.
    assert command == "dreamsound 'my loop.wav' --strength=70 --seed=1"

    # What was dropped can be heard, and the command writes the samples that are downloaded.
    seconds = "return document.querySelector('#given audio').duration"
    assert app.wait(lambda: app.browser.execute_script(seconds)) == pytest.approx(0.6)
    allowed = {"behavior": "allow", "downloadPath": str(tmp_path / "down")}
    app.browser.execute_cdp_cmd("Browser.setDownloadBehavior", allowed)
    app.one("#download").click()
    file = tmp_path / "down/my loop-dream.wav"
    app.wait(file.exists)
    dream(*shlex.split(command)[1:], "--output_dir=out", "--noplots", cwd=tmp_path)
    both = (soundfile.read(path)[0] for path in (file, tmp_path / "out/00000-my loop.wav"))
    np.testing.assert_array_equal(*both)
    assert soundfile.info(file).subtype == "PCM_24"

    # Both players have a sound, and the picture is there.
    loaded = "return document.querySelector('#picture img')?.naturalWidth"
    assert app.wait(lambda: app.browser.execute_script(loaded)) > 500
    for player in ("#before", "#after"):
        assert app.wait(lambda player=player: "0:00" in app.one(player).text)


@pytest.mark.slow
def test_a_video_is_dreamed_on_by_its_sound(app, tmp_path):
    app.open()
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, (13230, 2))
    path = tmp_path / "my film.mp4"
    encode_media(noise, 22050, "mp4", "aac", video=True, path=path)
    app.drop(path)
    app.go()
    app.wait_for_status("Done: ", seconds=120)
    command = app.one("#command textarea").get_attribute("value")
    assert command.startswith("dreamsound 'my film.mp4' ")
    # Of a file that is none, the page says so where its player would be.
    app.open()
    (tmp_path / "a.tak").write_bytes(b"no sound")
    app.drop(tmp_path / "a.tak")
    app.wait(lambda: "cannot play this file" in app.one("#given").text)


@pytest.mark.slow
def test_a_dream_is_stopped_and_a_wrong_file_gets_one_line(app, tmp_path):
    app.open()
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, 40 * 22050)
    soundfile.write(tmp_path / "long.wav", noise, 22050)
    app.drop(tmp_path / "long.wav")
    app.go()
    app.wait(lambda: app.one("#stop").is_displayed())
    app.one("#stop").click()
    app.wait_for_status("Stopped.")

    app.open()
    (tmp_path / "wrong.wav").write_bytes(b"no sound")
    app.one("#sound input[type=file]").send_keys(str(tmp_path / "wrong.wav"))
    app.wait(lambda: app.one("#go").is_enabled())
    app.wait(lambda: not app.all("#sound input[type=file]"))
    app.go()
    app.wait_for_status("'wrong.wav' is a text, and must be a sound or video file in a known")


@pytest.mark.slow
def test_no_file_is_served_or_read_that_was_not_uploaded(app):
    for route in ("gradio_api/file=", "file=", "gradio_api/file/", "gradio_api/file=%2E%2E/"):
        status, body = app.ask(f"{route}/etc/passwd")
        assert status in (403, 404) and b"root:" not in body
    config = json.loads(app.ask("config")[1])
    for path in ("/etc/passwd", "http://127.0.0.1:1/a.wav"):
        for each in config["dependencies"]:
            for join in ("gradio_api/queue/join", "gradio_api/run/predict"):
                data = [{"path": path, "meta": {"_type": "gradio.FileData"}}, "", 70]
                body = {"data": data, "fn_index": each["id"], "session_hash": "x"}
                headers = {"Content-Type": "application/json"}
                given = {"data": json.dumps(body).encode(), "headers": headers, "method": "POST"}
                assert app.ask(join, **given)[0] == 403
    # Nothing can be called by name from another program.
    assert not any(each["api_visibility"] == "public" for each in config["dependencies"])


@pytest.mark.slow
def test_nothing_is_asked_of_another_machine(app):
    """Neither by the page nor by the processes of the app, in all that the tests above did."""
    app.open()
    asked = "return performance.getEntriesByType('resource').map((each) => each.name)"
    names = app.browser.execute_script(asked)
    assert names and all(name.startswith((app.address, "data:", "blob:")) for name in names)
    html = app.ask("")[1].decode()
    assert not re.search(r"""(src|href)=["']?https?://(?!127)""", html)
    connected = set(app.log.read_text().splitlines()) if app.log.exists() else set()
    assert all("127.0.0.1" in each or each.startswith("'/") for each in connected), connected


def test_a_missing_gradio_and_a_bad_port_get_one_line(monkeypatch, capsys):
    def complain(*arguments):
        monkeypatch.setattr(sys, "argv", ["dreamsound-app", *arguments])
        with pytest.raises(SystemExit) as end:
            main.run_command()
        assert end.value.code == 2
        return capsys.readouterr().err

    monkeypatch.setattr(main.importlib.util, "find_spec", lambda name: None)
    assert complain() == "dreamsound-app: the app needs Gradio: pip install 'dreamsound-jax[app]'\n"
    monkeypatch.undo()
    pytest.importorskip("gradio", reason="needs dreamsound-jax[app]")
    assert "--port must be from 1 to 65535, and is 0" in complain("--port=0")
