"""The command on s3:// and gs://, which are servers on this machine, reached as real ones are."""

import contextlib
import http.server
import json
import logging
import os
import socket
import threading
import time

import fsspec
import numpy as np
import pytest
import soundfile
from etils import epath

from dreamsound_jax.audio.encoding import encode_sound
from dreamsound_jax.audio.formats import Encoding
from dreamsound_jax.outputs.manifest import Manifest
from dreamsound_jax.system import runtime
from dreamsound_jax.system.fingerprint import has_changed, take_fingerprint
from tests.helpers.clips import samples_of
from tests.helpers.commands import QUICK, finish, start
from tests.helpers.sounds import tone

CLIPS, INPUTS, BAD = 12, ("cut", "high", "low"), "cut"
NAMES = [f"{number:05d}-{INPUTS[number % 3]}" for number in range(CLIPS)]
GOOD = [name for name in NAMES if BAD not in name]
SUFFIXES = (".wav", ".npz", ".json")


@pytest.fixture(scope="module")
def environment():
    """The environment that commands are started in; this process lists stores anew, too."""
    runtime.list_stores_anew()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # moto logs a line for each request.
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def s3(environment):
    """The address of a bucket with sounds in its folder `in`."""
    server = pytest.importorskip("moto.server", reason="needs moto[server]")
    pytest.importorskip("s3fs", reason="needs s3fs")
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    address = "http://{}:{}".format(*running.get_host_and_port())
    environment.setenv("AWS_ENDPOINT_URL", address)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        environment.setenv(name, "test")
    fsspec.filesystem("s3").mkdir("s3://bucket")
    yield _with_sounds("s3://bucket")
    running.stop()


@pytest.fixture(scope="module")
def gs(environment):
    """The same as `s3`."""
    server = pytest.importorskip("gcp_storage_emulator.server", reason="needs gcp-storage-emulator")
    pytest.importorskip("gcsfs", reason="needs gcsfs")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    running = server.create_server("127.0.0.1", port, in_memory=True, default_bucket="bucket")
    running.start()
    environment.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
    yield _with_sounds("gs://bucket")
    running.stop()


@pytest.fixture(scope="module", params=["s3", "gs"])
def store(request):
    return request.getfixturevalue(request.param)


def _with_sounds(place):
    for name, data in _sounds().items():
        (epath.Path(place) / "in" / f"{name}.wav").write_bytes(data)
    return place


def _sounds():
    """{name: bytes} of two short sounds, and one that is cut off in its header."""
    sounds = {
        name: tone(seconds=0.4, frequency=hertz) for name, hertz in (("low", 220), ("high", 880))
    }
    encoded = {
        name: encode_sound(each, sample_rate=22050, encoding=Encoding())
        for name, each in sounds.items()
    }
    return {BAD: encoded["low"][:40]} | encoded


def flags(place, tiny):
    where = (f"--input={place}/in/*.wav", f"--output_dir={place}/dreams", f"--checkpoint={tiny}")
    return (*QUICK, *where, f"--num_clips={CLIPS}", "--seed=1")


@pytest.fixture(scope="module")
def local(tiny_checkpoint, tmp_path_factory):
    """The folder of a run on this machine that nothing stops."""
    place = tmp_path_factory.mktemp("local")
    (place / "in").mkdir()
    for name, data in _sounds().items():
        (place / "in" / f"{name}.wav").write_bytes(data)
    assert finish(start(*flags(place, tiny_checkpoint), cwd=place))[0] == 2
    return place / "dreams"


@pytest.mark.slow
def test_a_killed_run_ends_in_a_store_with_every_clip_there_once(
    store, local, tiny_checkpoint, tmp_path
):
    folder = epath.Path(store) / "dreams"
    process = start(*flags(store, tiny_checkpoint), cwd=tmp_path)
    while process.poll() is None and len(list(folder.glob("manifest-*"))) < 5:
        time.sleep(0.02)
    process.kill()
    process.communicate()
    assert 0 < len(Manifest(folder).done()) < len(GOOD)
    code, printed = finish(start(*flags(store, tiny_checkpoint), cwd=tmp_path))
    assert code == 2
    assert f"clips that failed, for the reasons above: {CLIPS - len(GOOD)}" in printed
    check(folder, local)

    # The same command again does what is not done, and only that.
    written = {name: when(folder, name) for name in GOOD}
    (folder / f"{GOOD[1]}.json").unlink()
    code, printed = finish(start(*flags(store, tiny_checkpoint), cwd=tmp_path))
    assert (code, printed.count(": the network hears")) == (2, 1), printed
    check(folder, local)
    assert [name for name in GOOD if when(folder, name) != written[name]] == [GOOD[1]]


def when(folder, name):
    path = os.fspath(folder / f"{name}.wav")
    return fsspec.core.url_to_fs(path)[0].modified(path)


def check(folder, local):
    """Checks that exactly the files of a run are there, and are those in a local folder."""
    records = [f"manifest-000-{number:06d}.jsonl" for number in range(CLIPS)]
    sounds = (".wav", ".input.wav", ".difference.wav")
    files = [f"{name}{suffix}" for name in GOOD for suffix in (*SUFFIXES, *sounds)]
    there = {path.name for path in folder.iterdir()}
    assert there == {*files, *records, "params.json", "index.html"}
    for name in GOOD:
        for suffix in sounds:
            here, there = (samples_of(each / f"{name}{suffix}") for each in (local, folder))
            assert here == there, f"{name}{suffix}"
        here, there = ((each / f"{name}.npz").read_bytes() for each in (local, folder))
        assert here == there, f"{name}.npz"
        facts = json.loads((folder / f"{name}.json").read_text())
        assert facts["seconds"] == pytest.approx(0.4)
    with (folder / f"{GOOD[0]}.npz").open("rb") as file:
        assert np.isfinite(np.load(file)["mel_db"]).all()
    with (folder / f"{GOOD[0]}.wav").open("rb") as file:
        assert np.abs(soundfile.read(file)[0]).max() > 1e-3
    found = Manifest(folder).records()
    assert [record["name"] for record in found.values()] == NAMES
    assert [
        "nothing of it can be read" in record.get("error", "") for record in found.values()
    ] == [BAD in name for name in NAMES]
    page = (folder / "index.html").read_text()
    assert all(name in page for name in NAMES)


@pytest.mark.slow
def test_an_ouroboros_and_its_network_may_be_in_a_store(s3, tiny_checkpoint, tmp_path):
    upload(tiny_checkpoint, epath.Path(s3) / "tiny")
    ouroboros = ("--create_ouroboros", "--ouroboros_length=3", "--save_every=0", *QUICK, "--plots")
    where = (f"--input={s3}/in/low.wav", f"--output_dir={s3}/journey", f"--checkpoint={s3}/tiny")
    process = start(*ouroboros, *where, cwd=tmp_path)
    folder, kept = epath.Path(s3) / "journey", set()
    while process.poll() is None:
        with contextlib.suppress(FileNotFoundError):  # It may be removed while it is listed.
            kept |= {path.name for path in (folder / "unfinished").glob("*")}
        time.sleep(0.1)
    code, printed = finish(process)
    assert code == 0, printed
    assert "00000-state.npz" in kept
    assert {path.name for path in folder.iterdir()} == {
        *(f"00000-low{suffix}" for suffix in (*SUFFIXES, ".png", ".small.png")),
        *("manifest-000-000000.jsonl", "params.json", "index.html"),
    }
    with (folder / "00000-low.npz").open("rb") as file:
        assert len(np.load(file)["mel_db"]) == 4
    picture = (folder / "00000-low.png").read_bytes()
    assert picture.startswith(b"\x89PNG") and picture.endswith(b"IEND\xaeB`\x82")


def upload(source, target):
    for path in source.rglob("*"):
        if path.is_file():
            (target / path.relative_to(source)).write_bytes(path.read_bytes())


def test_what_others_write_is_seen(store):
    """A client that has listed the folder before sees it, too."""
    folder = epath.Path(store) / "shared"
    one = Manifest(folder)
    one.add({"number": 0, "name": "00000-a"})
    assert (list(one.records()), one.done()) == ([0], {})
    options = {"skip_instance_cache": True}
    for name, text in (
        ("manifest-001-000001.jsonl", json.dumps({"number": 1, "name": "00001-b"})),
        ("00001-b.json", "{}"),
    ):
        with fsspec.open(os.fspath(folder / name), "w", **options) as file:
            file.write(text)
    assert (list(one.records()), one.done()) == ([0, 1], {(1, "00001-b", None): None})


def test_an_object_that_is_written_anew_has_changed_if_its_bytes_have(store):
    path = f"{store}/fingerprint.wav"
    assert take_fingerprint(path) is None
    place = epath.Path(path)
    place.write_bytes(b"one")
    before = take_fingerprint(path)
    assert before["size"] == 3 and not has_changed(path, before)
    place.write_bytes(b"one")
    assert not has_changed(path, before)
    place.write_bytes(b"two")
    assert has_changed(path, before) and not has_changed(path, take_fingerprint(path))
    place.unlink()
    assert not has_changed(path, before)


class _Refuses(http.server.BaseHTTPRequestHandler):
    def do_HEAD(self):
        self.send_error(403)

    do_GET = do_PUT = do_HEAD


@pytest.fixture
def refusing():
    with http.server.HTTPServer(("127.0.0.1", 0), _Refuses) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_store_that_cannot_be_used_is_one_line(s3, refusing, monkeypatch, tmp_path):
    """The commands run at the same time, since each waits for its store."""
    (epath.Path(s3) / "held" / "params.json").write_text(
        json.dumps({"seed": 3, "flags": {"seed": 3}})
    )
    cases = [
        ({}, f"{s3}/held", "already holds a run with"),
        ({}, "s3://nowhere/dreams", "there is no bucket 'nowhere'"),
        ({"AWS_ENDPOINT_URL": refusing}, f"{s3}/held", f"cannot look into '{s3}/held': "),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, f"{s3}/held", "Could not connect"),
    ]
    running = []
    for environment, folder, _ in cases:
        with monkeypatch.context() as patch:
            patch.setenv("AWS_MAX_ATTEMPTS", "1")  # By default it tries for six seconds.
            for name, value in environment.items():
                patch.setenv(name, value)
            running.append(start("noise", f"--output_dir={folder}", *QUICK, cwd=tmp_path))
    for (_, _, hint), process in zip(cases, running):
        code, printed = finish(process)
        assert (code, hint in printed, printed.count("\n")) == (2, True, 1), printed
    assert not fsspec.filesystem("s3").exists("s3://nowhere")
