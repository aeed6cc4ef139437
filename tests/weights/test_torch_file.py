"""Files of PyTorch, as people have them: what is read, and what is refused."""

import gzip
import io
import zipfile

import numpy as np
import pytest

from dreamsound_jax.weights.torch_file import open_state_dict
from dreamsound_jax.weights.torch_legacy import START
from tests.helpers.torch_files import (
    Call,
    Global,
    dumps,
    get_refusal,
    read_all,
    tensor,
    write_pth,
    write_zip,
)

RNG = np.random.default_rng(0)
ARRAYS = {
    "features.0.weight": RNG.normal(size=(7, 2, 3, 3)).astype(np.float32),
    "features.0.bias": RNG.normal(size=7),
    "features.1.num_batches_tracked": np.array(5),
    "empty": np.zeros((0, 3)),
}


def test_tensors_are_read_whole_and_in_blocks(tmp_path):
    path = write_pth(tmp_path / "a.pth", ARRAYS)
    with open_state_dict(path) as tensors:
        assert list(tensors) == list(ARRAYS)
        for name, stored in tensors.items():
            assert stored.dtype == ARRAYS[name].dtype and stored.shape == ARRAYS[name].shape
            np.testing.assert_array_equal(stored.read(), ARRAYS[name])
        blocks = list(tensors["features.0.weight"].read_blocks(3))
        assert [start for start, _ in blocks] == [0, 3, 6]
        np.testing.assert_array_equal(
            np.concatenate([block for _, block in blocks]), ARRAYS["features.0.weight"]
        )


def test_views_share_a_storage(tmp_path):
    array = np.arange(24.0)
    content = {
        "turned": tensor("0", array, shape=(4, 6), strides=(1, 4)),
        "inside": tensor("0", array, offset=5, shape=(2, 3), strides=(3, 1)),
        "spread": tensor("0", array, offset=2, shape=(5,), strides=(0,)),
    }
    found = read_all(write_zip(tmp_path / "a.pth", dumps(content), {"0": array}))
    np.testing.assert_array_equal(found["turned"], array.reshape(6, 4).T)
    np.testing.assert_array_equal(found["inside"], array[5:11].reshape(2, 3))
    np.testing.assert_array_equal(found["spread"], np.full(5, 2))
    with open_state_dict(tmp_path / "a.pth") as tensors:
        turned = np.concatenate([block for _, block in tensors["turned"].read_blocks(3)])
    np.testing.assert_array_equal(turned, array.reshape(6, 4).T)


def test_bytes_of_a_big_endian_machine_are_swapped(tmp_path):
    array = np.arange(6.0)
    pickled = dumps({"a": tensor("0", array)})
    extra = {"byteorder": b"big"}
    path = write_zip(tmp_path / "a.pth", pickled, {"0": array.byteswap()}, extra=extra)
    np.testing.assert_array_equal(read_all(path)["a"], array)


@pytest.mark.parametrize("wrapping", ["state_dict", "model_state_dict", "model", "net", "network"])
def test_wrapped_state_dicts_are_unwrapped_and_what_lies_beside_is_ignored(tmp_path, wrapping):
    array = np.arange(6.0)
    inner = {"a": tensor("0", array), "b": tensor("0", array)}
    moments = {0: {"step": 7, "exp_avg": tensor("0", array)}}
    optimizer = {"state": moments, "param_groups": [{"lr": 1e-3, "betas": (0.9, 0.999)}]}
    beside = {"epoch": 3, "loss": np.float64(0.5), "accuracy": np.float32(0.9)}
    pickled = dumps({**beside, "optimizer": optimizer, wrapping: inner, "classes": ["a", None]})
    assert list(read_all(write_zip(tmp_path / "a.pth", pickled, {"0": array}))) == ["a", "b"]


INNER = {"a": tensor("0", np.arange(6.0)), "b": tensor("0", np.arange(6.0))}
OPTIMIZER = {"state": {0: {"exp_avg": INNER["a"]}}, "param_groups": [{"lr": 1e-3}]}
SETTINGS = Call(Global("argparse", "Namespace"))


@pytest.mark.parametrize(
    "content",
    [
        {"my own name": INNER, "epoch": 3, "optimizer": OPTIMIZER},
        {"ema": {"module": INNER, "decay": 0.99}, "note": "best"},
        {"models": [INNER], "config": Call(Global("project.settings", "Config"), 1)},
        {"model": INNER, "model_ema": dict(INNER), "epoch": 2},
        {"state_dict": INNER, "hyper_parameters": SETTINGS, "callbacks": {"best": INNER["a"]}},
        {"vgg": INNER, "criterion": {"weight": INNER["a"]}, ("a", 1): 2},
        {**INNER, "epoch": 3, "name": "x", "classes": ["a", None], "optimizer": OPTIMIZER},
    ],
)
def test_a_state_dict_is_found_under_any_name_and_beside_anything(tmp_path, content):
    path = write_zip(tmp_path / "a.pth", dumps(content), {"0": np.arange(6.0)})
    with open_state_dict(path, wanted=["a", "b"]) as tensors:
        assert list(tensors) == ["a", "b"]
        np.testing.assert_array_equal(tensors["b"].read(), np.arange(6.0))


def test_several_state_dicts_are_refused_with_their_names(tmp_path):
    array = np.arange(6.0)
    inner = {"a": tensor("0", array)}
    pickled = dumps({"epoch": 3, "model_ema": inner, "net_g": dict(inner), "opt": {"lr": 1e-3}})
    message = get_refusal(write_zip(tmp_path / "a.pth", pickled, {"0": array}))
    assert "holds several state dicts, under model_ema, net_g: save the one that you" in message


def archive_of(*names_and_contents):
    """The bytes of a ZIP archive of a file's name, its content, and so on."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in zip(names_and_contents[::2], names_and_contents[1::2]):
            archive.writestr(name, content)
    return file.getvalue()


def write_other_file(path, kind):
    content = {
        "an LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n",
        "a page": b"<!DOCTYPE html><html>Not found</html>",
        "nothing": b"",
        "an old file cut short": START + b"\x80\x02M\xe9\x03.",
        "a tar archive": b"pickle".ljust(257, b"\0") + b"ustar",
        "another pickle": b"\x80\x02K\x01.",
        "a compressed file": gzip.compress(b"PK"),
        "Keras": b"\x89HDF\r\n\x1a\n" + bytes(99),
        "an error": b'{"error": "Repository not found"}',
        "a sound": b"RIFF\0\0\0\0WAVEfmt ",
        "an archive around": archive_of("nets/dog.pth", write_pth(io.BytesIO(), ARRAYS).getvalue()),
        "Keras 3": archive_of("config.json", b"{}", "model.weights.h5", b""),
    }
    if kind in content:
        path.write_bytes(content[kind])
    elif kind == "cut short":
        write_pth(path, ARRAYS)
        path.write_bytes(path.read_bytes()[:-200])
    elif kind == "flipped bits":
        write_pth(path, ARRAYS)
        data, needle = path.read_bytes(), ARRAYS["features.0.weight"].tobytes()[:16]
        path.write_bytes(data.replace(needle, bytes(16)))
    elif kind == "no storage":
        write_zip(path, dumps({"a": tensor("9", np.zeros(4))}))
    elif kind == "another archive":
        write_zip(path, b"")
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("word/document.xml", "<xml/>")
    elif kind == "compressed":
        array, method = np.zeros(1000), zipfile.ZIP_DEFLATED
        write_zip(path, dumps({"a": tensor("0", array)}), {"0": array}, compression=method)
    elif kind == "a program":
        write_zip(path, dumps({}), extra={"constants.pkl": b"", "code/a.py": b""})
    elif kind == "numbers":
        write_zip(path, dumps({"epoch": 3, "loss": 0.5}))
    elif kind == "a long pickle":
        write_zip(path, bytes(17 * 2**20))
    elif kind == "half a pickle":
        write_zip(path, dumps({"a": 1})[:-3])
    elif kind == "a folder":
        path.mkdir()
    return path


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("an LFS pointer", "git lfs pull"),
        ("a page", "nor a safetensors file: it is an HTML page; download the file itself"),
        ("a compressed file", "it is compressed with gzip; unpack it first"),
        ("Keras", "it is an HDF5 file, as Keras"),
        ("Keras 3", "is a model of Keras (.keras)"),
        ("an error", "it is a JSON text; download"),
        ("a sound", "it is a sound file"),
        ("an archive around", "is a ZIP archive around nets/dog.pth: unpack it"),
        ("nothing", "it is empty"),
        ("an old file cut short", "damaged or cut short"),
        ("a tar archive", "a.pth', map_location='cpu'), "),
        ("another pickle", "is not a PyTorch file"),
        ("cut short", "damaged or cut short"),
        ("flipped bits", "damaged: Bad CRC-32"),
        ("no storage", "damaged"),
        ("another archive", "no data.pkl"),
        ("compressed", "is compressed"),
        ("a program", "torch.save(model.state_dict()"),
        ("numbers", "its entries epoch, loss are not tensors"),
        ("a long pickle", "17825792 bytes"),
        ("half a pickle", "damaged"),
        ("a folder", "Is a directory"),
        ("missing", "No such file"),
    ],
)
def test_other_files_are_refused_in_one_line(tmp_path, kind, words):
    assert words in get_refusal(write_other_file(tmp_path / "a.pth", kind))


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="PyTorch writes the files that are read here")


@pytest.mark.parametrize("new_format", [True, False])
def test_files_of_pytorch_are_read(torch, tmp_path, new_format):
    values = {
        "float": torch.randn(3, 5, 3, 3),
        "half": torch.randn(4).half(),
        "bfloat16": torch.randn(4, 6).bfloat16().t(),
        "double": torch.randn(4).double(),
        "last": torch.randn(3, 5, 4, 2).to(memory_format=torch.channels_last),
        "view": torch.arange(20)[3:9],
        "scalar": torch.tensor(3),
        "parameter": torch.nn.Parameter(torch.randn(3)),
    }
    path = tmp_path / "a.pth"
    torch.save(values, path, _use_new_zipfile_serialization=new_format)
    for name, array in read_all(path).items():
        expected = values[name].detach().to(torch.float64).numpy()
        np.testing.assert_array_equal(np.float64(array), expected, err_msg=name)


@pytest.mark.parametrize("new_format", [True, False])
def test_numpy_arrays_beside_a_state_dict_are_ignored(torch, tmp_path, new_format):
    beside = [np.arange(5), np.float32(2), np.array(["a"]), {"b": np.bool_(True)}]
    content = {"sampler": beside, "model": {"a": torch.ones(3)}}
    path = tmp_path / "a.pth"
    torch.save(content, path, _use_new_zipfile_serialization=new_format)
    np.testing.assert_array_equal(read_all(path)["a"], np.ones(3))
    torch.save({"a": torch.ones(3), "b": np.ones(3)}, path)
    assert list(read_all(path)) == ["a"]


def test_whole_models_of_pytorch_are_explained(torch, tmp_path):
    model = torch.nn.Sequential(torch.nn.Linear(3, 2))
    for new_format in (True, False):
        path = tmp_path / f"{new_format}.pth"
        torch.save(model, path, _use_new_zipfile_serialization=new_format)
        message = get_refusal(path)
        assert "torch.nn.modules.container.Sequential" in message and "state_dict()" in message


def test_advice_names_a_file_that_is_not_there_yet(torch, tmp_path):
    path = tmp_path / "dog.pth"
    torch.save(torch.nn.Linear(3, 2), path)
    assert f"torch.save(model.state_dict(), '{tmp_path / 'dog-state_dict.pth'}')" in get_refusal(
        path
    )
    (tmp_path / "dog-state_dict.pth").write_bytes(b"precious")
    assert f"{tmp_path / 'dog-state_dict-2.pth'}" in get_refusal(path)


def test_a_damaged_old_file_is_refused(torch, tmp_path):
    path = tmp_path / "a.pth"
    values = {"a": torch.arange(40.0), "b": torch.ones(2, 3).double()}
    torch.save(values, path, _use_new_zipfile_serialization=False)
    data = path.read_bytes()
    for end in range(len(START), len(data), 7):
        path.write_bytes(data[:end])
        assert "damaged" in get_refusal(path)
    for other in (
        data + b"0",
        data.replace(b"little_endian", b"1itt1e_endian"),
        data.replace(b"M\xe9\x03", b"M\xe8\x03"),
        data.replace((40).to_bytes(8, "little"), (41).to_bytes(8, "little")),
    ):
        assert other != data
        path.write_bytes(other)
        assert "damaged" in get_refusal(path)
