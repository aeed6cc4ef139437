import dataclasses
import functools
import hashlib
import http.server
import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from dreamsound_jax.networks import catalogue, loading
from dreamsound_jax.networks.vgg19 import LAYERS
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.weights import convert
from dreamsound_jax.weights.torch_weights import NORMALISED_NAMES
from tests.helpers import full_width
from tests.helpers.tiny import CARD, write_checkpoint
from tests.helpers.torch_files import vgg19_arrays, write_pth

ROOT = Path(__file__).parents[2]
SIZE = {"width": CARD.width, "hidden": CARD.hidden}
GIVEN = {"classes": list(CARD.classes), "mean": CARD.mean, "std": CARD.std, **SIZE}
PEAK = (
    "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=2);"
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
)
FLAGS = [f"--classes={','.join(CARD.classes)}", "--mean=-24", "--std=17"]
FLAGS += [f"--width={CARD.width}", f"--hidden={CARD.hidden}"]


@functools.cache
def tiny_arrays(normalised=False):
    return vgg19_arrays(loading.weight_shapes(CARD), normalised=normalised)


@pytest.fixture
def tiny_pth(tmp_path):
    return write_pth(tmp_path / "tiny.pth", tiny_arrays())


def command(*arguments, **options):
    script = [sys.executable, str(ROOT / "scripts/convert_weights.py"), *map(str, arguments)]
    options = {"text": True, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    return subprocess.Popen(script, **options)


def said_by(*arguments, code, **options):
    process = command(*arguments, **options)
    out, err = process.communicate(timeout=200)
    assert process.returncode == code, err
    return (out if code == 0 else err).strip()


def compute(network, spectrogram):
    """Activations of all layers, and gradients, of one clip; in PyTorch's order of axes."""
    run = jax.jit(lambda network, x: nnx.merge(*network)(x[None], LAYERS))
    found = {layer: np.asarray(values[0]) for layer, values in run(network, spectrogram).items()}
    found = {n: v.transpose(2, 0, 1) if v.ndim == 3 else v for n, v in found.items()}

    def square(spectrogram, network, layer):
        return jnp.sum(nnx.merge(*network)(spectrogram[None], (layer,))[layer] ** 2)

    slope = jax.jit(jax.grad(square), static_argnums=2)
    return found, {n: np.asarray(slope(spectrogram, network, n)) for n in full_width.GRADIENTS}


@pytest.mark.slow
def test_a_full_width_network_computes_what_pytorch_does(tmp_path):
    """By the real command, in under one and a half times the file's size of memory."""
    path, folder = write_pth(tmp_path / "full.pth", full_width.arrays()), tmp_path / "full"
    flags = ["--model=full", f"--output={folder}", "--classes=8", "--mean=-24", "--std=17"]
    script = [sys.executable, str(ROOT / "scripts/convert_weights.py"), f"--pth={path}", *flags]
    # A small process starts it: a process begins with its parent's size.
    run = subprocess.run([sys.executable, "-c", PEAK, *script], check=True, stdout=subprocess.PIPE)
    if sys.platform == "linux":  # elsewhere the unit is another
        assert int(run.stdout) * 1024 < 1.5 * path.stat().st_size
    path.unlink()
    with jax.enable_x64(True):
        model = loading.load(checkpoint=folder, dtype=jnp.float64)
        found = full_width.numbers(*compute(model.network, full_width.spectrogram()))
    stored = np.load(full_width.STORED)
    assert set(found) == set(stored.files)
    for name, expected in stored.items():
        np.testing.assert_allclose(found[name], expected, rtol=1e-9, atol=1e-12, err_msg=name)


def test_the_stored_numbers_are_pytorchs():
    pytest.importorskip("torch", reason="computes the numbers that are stored")
    from tests.helpers import torch_reference

    computed = torch_reference.full_width_numbers()
    for name, expected in np.load(full_width.STORED).items():
        np.testing.assert_allclose(computed[name], expected, rtol=1e-9, atol=1e-12, err_msg=name)


def test_batch_norm_is_folded(tmp_path):
    """As PyTorch's VGG19 with batch norm computes it, written out in numpy."""
    arrays = tiny_arrays(normalised=True)
    path = write_pth(tmp_path / "bn.pth", arrays)
    convert.convert(path, convert.Wanted("bn", GIVEN, output=tmp_path / "bn"))
    model = nnx.merge(*loading.load(checkpoint=tmp_path / "bn").network)
    x = np.random.default_rng(0).normal(size=(32, 48)).astype(np.float32)
    found = model(x[None], ("conv1_1", "relu1_1", "conv1_2"))
    conv, norm = NORMALISED_NAMES["conv1_2"], "features.4"
    into = np.pad(np.float64(found["relu1_1"][0]), ((1, 1), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(into, (3, 3), (0, 1))
    out = np.einsum("hwikl,oikl->hwo", windows, arrays[f"{conv}.weight"]) + arrays[f"{conv}.bias"]
    scale, bias, mean, variance = (
        arrays[f"{norm}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
    )
    expected = (out - mean) / np.sqrt(variance + 1e-5) * scale + bias
    np.testing.assert_allclose(found["conv1_2"][0], expected, atol=1e-4)


@pytest.mark.slow
def test_the_card_tells_where_the_weights_come_from_and_the_checkpoint_dreams(tiny_pth, tmp_path):
    folder = tmp_path / "mine"
    said = said_by("--model=mine", f"--pth={tiny_pth}", f"--output={folder}", *FLAGS, code=0)
    assert f"--checkpoint={folder}" in said
    card = json.loads((folder / "card.json").read_text())
    assert card["source"] == {
        "file": "tiny.pth",
        "sha256": hashlib.sha256(tiny_pth.read_bytes()).hexdigest(),
    }
    assert card.read_card(folder) == dataclasses.replace(CARD, name="mine")
    assert card["source"]["sha256"] in (folder / "README.md").read_text()
    dream = [sys.executable, "-m", "dreamsound_jax", f"--checkpoint={folder}", "--pyramid_size=1"]
    dream += ["--layers_to_use=relu2_2", f"--output_dir={tmp_path / 'dream'}"]
    subprocess.run(dream, check=True, capture_output=True)
    assert (tmp_path / "dream/00000-noise.wav").stat().st_size > 100_000


@pytest.fixture
def published(tmp_path, tiny_pth, monkeypatch):
    """A folder of checkpoints with one published model, `tiny`, that has no weights yet."""
    checkpoints = tmp_path / "checkpoints"
    (checkpoints / "tiny").mkdir(parents=True)
    source = {
        "file": "tiny.pth",
        "url": "http://127.0.0.1:9/tiny.pth",
        "bytes": tiny_pth.stat().st_size,
        "sha256": hashlib.sha256(tiny_pth.read_bytes()).hexdigest(),
    }
    card = {"name": "tiny", "description": "For a test.", **GIVEN, "source": source}
    card["weights_from"] = "run the converter"
    (checkpoints / "tiny/card.json").write_text(json.dumps(card))
    for module in (convert, catalogue, loading):
        monkeypatch.setattr(module, "shipped", lambda folder: checkpoints)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    return checkpoints / "tiny"


def set_url(folder, url):
    card = json.loads((folder / "card.json").read_text())
    card["source"]["url"] = url
    (folder / "card.json").write_text(json.dumps(card))


def test_a_published_model_is_found_by_its_name(published, tiny_pth):
    with pytest.raises(UserError, match="has no weights in .*; run the converter"):
        loading.load("tiny")
    assert "no weights here: run the converter" in catalogue.overview()
    before = json.loads((published / "card.json").read_text())
    assert "--model=tiny" in convert.convert(tiny_pth, convert.Wanted("tiny", {}))
    assert json.loads((published / "card.json").read_text()) == before
    assert loading.load("tiny").card.name == "tiny"
    assert f"checkpoint: {published}" in catalogue.overview()


def test_another_file_than_the_published_one_needs_noverify_hash(published, tmp_path):
    arrays = tiny_arrays() | {"features.0.bias": np.ones(4, np.float32)}
    other = write_pth(tmp_path / "other.pth", arrays)
    with pytest.raises(UserError, match="is not the published tiny.pth.*--noverify_hash"):
        convert.convert(other, convert.Wanted("tiny", {}))
    assert not (published / "weights").exists()
    convert.convert(other, convert.Wanted("tiny", {}, verify_hash=False))
    assert json.loads((published / "card.json").read_text())["source"]["file"] == "other.pth"
    with pytest.raises(UserError, match="is not the published tiny.pth"):
        convert.convert(other, convert.Wanted("tiny", {}))


def test_a_network_that_was_trained_is_not_replaced(tiny_pth, tmp_path):
    folder = write_checkpoint(tmp_path / "mine")
    card = json.loads((folder / "card.json").read_text()) | {"rebuild": "python train.py"}
    (folder / "card.json").write_text(json.dumps(card))
    with pytest.raises(UserError, match="has a network that was trained"):
        convert.convert(tiny_pth, convert.Wanted("mine", GIVEN, output=folder))
    loading.load(checkpoint=folder)


class Server(http.server.ThreadingHTTPServer):
    """Serves `content` at every address, and notes what is asked for."""

    def __init__(self, content):
        self.content, self.asked = content, []
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.content)))
        self.end_headers()
        self.wfile.write(self.server.content)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(tiny_pth):
    server = Server(tiny_pth.read_bytes())
    yield server
    server.shutdown()
    server.server_close()


def test_a_download_is_verified_and_kept(published, server, capsys):
    set_url(published, f"http://127.0.0.1:{server.server_port}/tiny.pth")
    wanted = convert.Wanted("tiny", {})
    first, again = convert.download(wanted), convert.download(wanted)
    assert first == again and server.asked == ["/tiny.pth"]
    assert "100%" in capsys.readouterr().err
    convert.convert(first, wanted)
    assert loading.load("tiny").card.classes == CARD.classes


def test_a_download_goes_through_the_proxy(published, server, monkeypatch):
    set_url(published, "http://weights.invalid/tiny.pth")
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.server_port}")
    convert.download(convert.Wanted("tiny", {}))
    assert server.asked == ["http://weights.invalid/tiny.pth"]


def test_a_download_that_breaks_leaves_nothing_and_starts_anew(published, server, tmp_path):
    set_url(published, f"http://127.0.0.1:{server.server_port}/tiny.pth")
    whole, server.content = server.content, server.content[:1000]
    with pytest.raises(UserError, match="cannot download .*give --pth=FILE"):
        convert.download(convert.Wanted("tiny", {}))
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    server.content = whole
    assert Path(convert.download(convert.Wanted("tiny", {}))).read_bytes() == whole


def test_a_server_that_is_not_there_is_named(published):
    with pytest.raises(UserError, match="cannot download http://127.0.0.1:9/tiny.pth") as caught:
        convert.download(convert.Wanted("tiny", {}))
    assert "\n" not in str(caught.value)


def test_all_that_does_not_fit_is_named_at_once(tmp_path):
    arrays = dict(tiny_arrays())
    del arrays["features.2.bias"], arrays["classifier.6.weight"]
    arrays |= {"fc.weight": np.zeros(3), "features.0.weight": np.zeros((4, 3, 3, 3))}
    path = write_pth(tmp_path / "a.pth", arrays)
    with pytest.raises(UserError) as caught:
        convert.convert(path, convert.Wanted("a", GIVEN, output=tmp_path / "a"))
    for words in (
        "missing: classifier.6.weight, features.2.bias",
        "unexpected: fc.weight",
        "features.0.weight is (4, 3, 3, 3), not (4, 1, 3, 3)",
    ):
        assert words in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.pth"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model=mine"], "give --pth=FILE, or --download"),
        (["--model=mine", "--pth=a.pth"], "needs --classes, --mean, --std"),
        (["--model=mine", "--download", *FLAGS], "mine is not published; accepted are Urban"),
        (["--model=gm", "--pth=a.pth", *FLAGS], "gm has a network that was trained"),
        (["--model=../up", "--pth=a.pth", *FLAGS], "--model=../up: accepted are letters"),
        (["--model=mine", "--pth=no.pth", *FLAGS], "cannot read no.pth: No such file"),
        (["--model=fma-small", "--pth=a.pth"], "linear2"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_exit_code_2(tmp_path, arguments, words):
    if words == "linear2":
        write_pth(tmp_path / "a.pth", tiny_arrays())
        words = "classifier.3.weight is (32, 32), not (4096, 4096)"
    said = said_by(*arguments, code=2, cwd=tmp_path)
    assert words in said and "\n" not in said and "Traceback" not in said


def test_a_folder_that_is_no_checkpoint_is_not_replaced(tiny_pth, tmp_path):
    (tmp_path / "music").mkdir()
    (tmp_path / "music/song.wav").write_text("precious")
    with pytest.raises(UserError, match="is there, and no checkpoint"):
        convert.convert(tiny_pth, convert.Wanted("a", GIVEN, output=tmp_path / "music"))
    assert (tmp_path / "music/song.wav").read_text() == "precious"


def test_a_full_disk_leaves_nothing(tiny_pth, tmp_path):
    """The process may write no file of more than 100 kB."""
    script = [sys.executable, str(ROOT / "scripts/convert_weights.py"), "--model=a", *FLAGS]
    script += [f"--pth={tiny_pth}", f"--output={tmp_path / 'a'}"]
    limited = ["sh", "-c", 'ulimit -f 100; exec "$@"', "sh", *script]
    run = subprocess.run(limited, check=False, capture_output=True, text=True)
    assert run.returncode == 2
    assert "cannot write the checkpoint" in run.stderr and run.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.pth"]


def test_no_room_is_said_before_anything_is_written(tiny_pth, tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 10**6})
    monkeypatch.setattr("dreamsound_jax.weights.publish.shutil.disk_usage", lambda place: usage)
    with pytest.raises(UserError, match="no room for the checkpoint .* 1 MB are free"):
        convert.convert(tiny_pth, convert.Wanted("a", GIVEN, output=tmp_path / "a"))


def test_a_conversion_that_is_killed_leaves_the_old_checkpoint(tiny_pth, tmp_path):
    folder = tmp_path / "mine"
    wanted = convert.Wanted("mine", GIVEN, output=folder)
    convert.convert(tiny_pth, wanted)
    process = command("--model=mine", f"--pth={tiny_pth}", f"--output={folder}", *FLAGS)
    while process.poll() is None and not (tmp_path / ".mine.new").exists():
        time.sleep(0.002)
    process.kill()
    process.communicate()
    loading.load(checkpoint=folder)
    convert.convert(tiny_pth, wanted)
    assert {path.name for path in tmp_path.iterdir()} == {"tiny.pth", "mine"}
