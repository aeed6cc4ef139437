"""Files of PyTorch, as people have them: what is read, and what is refused."""

import gzip
import io
import tracemalloc
import zipfile

import numpy as np
import pytest

from dreamsound_jax.system.errors import UserError
from dreamsound_jax.weights.misfit import list_differences, refuse_unread
from dreamsound_jax.weights.torch_file import open_state_dict
from dreamsound_jax.weights.torch_legacy import START
from tests.helpers.torch_files import (
    ARRAYS,
    Call,
    Global,
    Items,
    dumps,
    get_refusal,
    read_all,
    tensor,
    write_pth,
    write_zip,
)


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
ARRAY = Call(Global("numpy._core.multiarray", "_reconstruct"), Global("numpy", "ndarray"), (0,))


def as_bytes(entries):
    """A dictionary whose names are bytes, as PyTorch pickles them."""
    return Items((Call(Global("_codecs", "encode"), n, "latin1"), v) for n, v in entries.items())


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
        (INNER, 3),
        [("best", (INNER, OPTIMIZER))],
        as_bytes(INNER),
        {"epoch": 3, "extra": (1, {"weights": as_bytes(INNER)})},
        {"history": {"loss": ARRAY}, "model": INNER},
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


def make_all(content, kind):
    return dict.fromkeys(content, Call(Global("torch._utils", kind), "anything"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            make_all(INNER, "_rebuild_meta_tensor_no_storage"),
            "a is a meta tensor, which has no",
        ),
        (
            {"model": make_all(INNER, "_rebuild_sparse_tensor")},
            "is a sparse tensor, as is 1 more: in PyTorch",
        ),
        (
            {"a": ARRAY, "b": ARRAY},
            "a is a NumPy array, as is 1 more: in PyTorch",
        ),
        ({"a": ARRAY, "vgg": Call(Global("nets", "VGG"))}, "asks for nets.VGG, which was not run"),
        ([ARRAY, ARRAY], "holds no state dict; in PyTorch, save only the state dict"),
    ],
)
def test_tensors_that_are_not_read_are_named_as_what_they_are(tmp_path, content, words):
    assert words in get_refusal(write_zip(tmp_path / "a.pth", dumps(content)))


def test_arrays_in_a_large_pickle_are_named(tmp_path):
    pickled = dumps({"a": ARRAY, "b": "x" * 17 * 2**20})
    assert "holds NumPy arrays, which are not read" in get_refusal(
        write_zip(tmp_path / "a.pth", pickled)
    )


def test_names_as_bytes_cannot_take_all_memory(tmp_path):
    """Each would be a copy of what the pickle holds once."""
    name = b"\x8c\xc8" + b"x" * 200 + b"\x94"
    long = b"X" + (2**20).to_bytes(4, "little") + b"x" * 2**20 + b"\x94"
    encode, latin1 = b"\x80\x04c_codecs\nencode\n\x94\x8c\x06latin1\x94", b"h\x01\x86R"
    pickled = encode + name + long + b"}(" + (b"h\x00h\x03" + latin1 + b"N") * 50_000 + b"u."
    tracemalloc.start()
    try:
        get_refusal(write_zip(tmp_path / "a.pth", pickled))
        assert tracemalloc.get_traced_memory()[1] < 2**27
    finally:
        tracemalloc.stop()


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


def make_odd_tensor(torch, kind):
    return {
        "sparse": lambda: torch.eye(3).to_sparse(),
        "sparse, in rows": lambda: torch.eye(3).to_sparse_csr(),
        "meta": lambda: torch.nn.Parameter(torch.empty(3, device="meta")),
        "quantized": lambda: torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8),
        "nested": lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]),
        "complex": lambda: torch.ones(2, dtype=torch.complex64),
        "8 bits": lambda: torch.ones(2).to(torch.float8_e4m3fn),
        "NumPy": lambda: np.ones(3, np.float32),
    }[kind]()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("sparse", "b is a sparse tensor: in PyTorch, save its to_dense() in its place"),
        ("sparse, in rows", "b is a sparse tensor"),
        ("meta", "b is a meta tensor, which has no numbers: in PyTorch, save a model into which"),
        ("quantized", "b is a quantized tensor: in PyTorch, save its dequantize()"),
        ("nested", "b is a nested tensor"),
        ("complex", "b is a tensor of another kind of numbers"),
        ("8 bits", "b is a tensor of another kind of numbers: in PyTorch, save its float()"),
        ("NumPy", "b is a NumPy array: in PyTorch, save torch.from_numpy(array)"),
    ],
)
def test_a_tensor_that_is_not_read_is_refused_only_where_it_is_needed(torch, tmp_path, kind, words):
    path = tmp_path / "a.pth"
    # Files of PyTorch before 1.6 do not tell how many bytes numbers of other kinds have.
    for new_format in (True,) if kind in ("quantized", "complex", "8 bits") else (True, False):
        content = {"a": torch.ones(3), "b": make_odd_tensor(torch, kind)}
        torch.save(content, path, _use_new_zipfile_serialization=new_format)
        with open_state_dict(path, wanted=["a"]) as tensors:
            refuse_unread(tensors, ["a", "c"])
            assert list_differences(tensors, {"a": (3,)}) == []
            with pytest.raises(UserError) as caught:
                refuse_unread(tensors, ["a", "b"])
        assert str(caught.value).startswith(words)


def test_names_as_bytes_of_pytorch_are_read(torch, tmp_path):
    torch.save(({b"a.weight": torch.ones(3)}, {"epoch": 3}), tmp_path / "a.pth")
    np.testing.assert_equal(read_all(tmp_path / "a.pth"), {"a.weight": np.ones(3)})


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
