"""Files of PyTorch that were made to run code, or to take all memory or time."""

import pickle
import time
import zipfile

import numpy as np
import pytest

from dreamsound_jax.weights.torch_legacy import START
from tests.helpers.torch_files import (
    ARRAYS,
    Call,
    Global,
    dumps,
    get_refusal,
    read_all,
    tensor,
    write_pth,
    write_zip,
)


def make_malicious_pickles(marker):
    """Returns pickles that would create the file `marker`, each in another way."""
    command = f"touch {marker}"
    system = Call(Global("os", "system"), command)
    python = f"open({str(marker)!r}, 'w')"
    module, name = b"\x8c\x08builtins", b"\x8c\x04exec"
    code = python.encode()
    stacked = b"\x80\x04" + module + name + b"\x93\x8c" + bytes([len(code)]) + code + b"\x85R."
    zeros = np.zeros(4)
    rebuild, ordered = Global("torch._utils", "_rebuild_tensor_v2"), ("collections", "OrderedDict")
    return {
        "os.system": dumps(system),
        "posix.system": dumps(Call(Global("posix", "system"), command)),
        "eval": dumps(Call(Global("builtins", "eval"), python)),
        "exec, protocol 4": stacked,
        "subprocess": dumps(Call(Global("subprocess", "Popen"), ("touch", str(marker)))),
        "in a value": dumps({"a": tensor("0", zeros), "b": {"c": [system]}}),
        "in a key": dumps(Call(Global(*ordered), [(Call(Global("os", "getcwd")), 1), (system, 2)])),
        "in an argument": dumps({"a": Call(rebuild, system, 0, (4,), (1,), False, None)}),
        "getattr": dumps(Call(Global("builtins", "getattr"), rebuild, "__globals__")),
        "partial": dumps(Call(Global("functools", "partial"), Global("os", "system"))),
        "dotted": b"\x80\x04\x8c\x0ctorch._utils\x8c\x09os.system\x93\x8c"
        + bytes([len(command)]) + command.encode() + b"\x85R.",
        "instance": b"(S'" + command.encode() + b"'\nios\nsystem\n.",
        "torch's own": dumps(Call(Global("torch.storage", "_load_from_bytes"), b"")),
        "beside": dumps({"model": {"a": tensor("0", zeros)}, "hyper_parameters": system}),
        "a class": dumps(Call(Global("torchvision.models.vgg", "VGG"))),
    }  # fmt: skip


@pytest.mark.parametrize("kind", list(make_malicious_pickles("")))
def test_a_malicious_pickle_is_refused_and_not_run(tmp_path, kind):
    marker = tmp_path / "marker"
    pickled = make_malicious_pickles(marker)[kind]
    message = get_refusal(write_zip(tmp_path / "a.pth", pickled, {"0": np.zeros(4)}))
    assert "was not run" in message or "damaged" in message
    assert not marker.exists()


def test_pythons_unpickler_would_run_the_malicious_pickles(tmp_path):
    for kind in ("os.system", "eval", "exec, protocol 4", "instance", "in a value"):
        marker = tmp_path / kind.replace(" ", "_")
        with_storage = make_malicious_pickles(marker)[kind]
        unpickler = type("Any", (pickle.Unpickler,), {"persistent_load": lambda self, pid: None})
        unpickler.find_class = lambda self, module, name: (
            str if module.startswith("torch") else pickle.Unpickler.find_class(self, module, name)
        )
        try:
            unpickler(__import__("io").BytesIO(with_storage)).load()
        except TypeError:
            continue  # The stand-in `str` does not accept what PyTorch's function does.
        assert marker.exists(), kind


def test_the_readers_own_objects_cannot_be_changed(tmp_path):
    """The opcode BUILD sets attributes of an object on the stack."""
    for name in (
        b"ctorch._utils\n_rebuild_tensor_v2\n",
        b"ccollections\nOrderedDict\n",
        b"cnumpy\ndtype\n",
    ):
        for state in (b"}(U\x04evilK\x01u", b"N}(U\x08__call__K\x01u\x86"):
            get_refusal(write_zip(tmp_path / "a.pth", b"\x80\x02" + name + state + b"b."))
    assert read_all(write_pth(tmp_path / "b.pth", ARRAYS)).keys() == ARRAYS.keys()


def make_costly_pickles():
    """Returns pickles that would take much memory or time, each in another way."""
    doubled = b"".join(b"h%ch%c\x86\x94" % (place, place) for place in range(64))
    number = b"\x8b" + (100_000).to_bytes(4, "little") + b"\x7f" * 100_000
    return {
        "nested tuples as a key": b"\x80\x02})" + b"\x85" * 200_000 + b"K\x01s.",
        "shared tuples as a key": b"\x80\x04})\x94" + doubled + b"K\x01s.",
        "copied tuples": b"\x80\x04})" + b"2\x86" * 64 + b"K\x01s.",
        "a far place in the memo": b"\x80\x02}r\xff\xff\xff\x7f.",
        "a long number": b"\x80\x02}X\x01\0\0\0a" + number + b"s.",
        "sets": b"\x80\x04" + b"\x8f" * 2**20 + b".",
        "lists": b"\x80\x04" + b"]" * 2**20 + b".",
        "calls": b"\x80\x04ccollections\nOrderedDict\n\x94" + b"h\x00)R" * 2**19 + b".",
        "an extension": b"\x80\x02\x82\x01.",
        "itself": b"\x80\x04}\x94\x8c\x01ah\x00s.",
    }


@pytest.mark.parametrize("kind", list(make_costly_pickles()))
def test_a_pickle_cannot_take_all_memory_or_time_or_crash_python(tmp_path, kind):
    pickled = make_costly_pickles()[kind]
    start = time.process_time()
    get_refusal(write_zip(tmp_path / "a.pth", pickled))
    (tmp_path / "a.pth").write_bytes(START + dumps(1001) + dumps({}) + pickled + dumps([]))
    get_refusal(tmp_path / "a.pth")
    assert time.process_time() - start < 20


def test_dictionaries_that_share_others_are_searched_once(tmp_path):
    levels = b"".join(b"}\x94(\x8c\x01ah%c\x8c\x01bh%cu" % (n, n) for n in range(100))
    pickled = b"\x80\x04}\x94" + levels + b"."
    assert "are not tensors" in get_refusal(write_zip(tmp_path / "a.pth", pickled))


def test_an_archive_cannot_name_a_member_twice_or_claim_more_than_it_has(tmp_path):
    path = write_pth(tmp_path / "a.pth", ARRAYS)
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("archive/data/0", ARRAYS["features.0.weight"].tobytes())
    assert "damaged: it names a member twice" in get_refusal(path)
    array = np.zeros(4)
    pickled = dumps({"a": tensor("0", array, shape=(2, 2), strides=(2**32, 1), count=2**33)})
    path = write_zip(tmp_path / "b.pth", pickled, {"0": array})
    data = path.read_bytes()
    place = data.rindex(b"PK\x01\x02", 0, data.rindex(b"archive/data/0"))
    path.write_bytes(data[: place + 20] + b"\xff\xff\xff\x7f" * 2 + data[place + 28 :])
    assert "damaged: its members would be larger than the file" in get_refusal(path)


def test_a_pickle_cannot_hide_its_entries(tmp_path):
    """An OrderedDict whose `items` was replaced is read correctly."""
    array = np.zeros(4)
    hidden = dumps({"a": tensor("0", array)})
    ordered = b"\x80\x02ccollections\nOrderedDict\n)R}U\x05itemsK\x01sb."
    assert "holds no state dict" in get_refusal(write_zip(tmp_path / "a.pth", ordered))
    assert list(read_all(write_zip(tmp_path / "b.pth", hidden, {"0": array}))) == ["a"]


def test_a_message_contains_no_control_characters_of_a_name(tmp_path):
    pickled = b"\x80\x04\x8c\x04evil\x8c\x07\x1b[2Jx\n!\x93."
    assert "\x1b" not in get_refusal(write_zip(tmp_path / "a.pth", pickled))


def test_a_tensor_with_metadata_is_refused(tmp_path):
    """PyTorch uses the last argument to mark a tensor that is to be negated, for example."""
    array = np.zeros(4)
    call = tensor("0", array)
    call.arguments = (*call.arguments, {"neg": True})
    assert "damaged" in get_refusal(write_zip(tmp_path / "a.pth", dumps({"a": call}), {"0": array}))


INVALID_VIEWS = {
    "offset": {"offset": 20},
    "stride": {"shape": (4, 6), "strides": (100, 1)},
    "negative": {"shape": (-4, -6), "strides": (6, 1)},
    "huge": {"shape": (10**12,), "strides": (1,)},
    "negative stride": {"offset": 23, "shape": (24,), "strides": (-1,)},
    "ranks": {"shape": (24,), "strides": (6, 1)},
    "count": {"count": 25},
    "more than there is": {"shape": (10**12,), "strides": (0,)},
    "empty, but huge": {"shape": (0, 2**62, 2**62), "strides": (1, 1, 1)},
    "axes": {"shape": (1,) * 1000, "strides": (1,) * 1000},
    "no number": {"shape": ("4", "6"), "strides": (6, 1)},
}


@pytest.mark.parametrize("kind", list(INVALID_VIEWS))
def test_a_tensor_cannot_reach_beyond_its_storage(tmp_path, kind):
    array = np.zeros((4, 6))
    pickled = dumps({"a": tensor("0", array, **INVALID_VIEWS[kind])})
    assert "damaged" in get_refusal(write_zip(tmp_path / "a.pth", pickled, {"0": array}))


def test_an_old_file_runs_nothing(tmp_path):
    marker = tmp_path / "marker"
    facts = dumps({"little_endian": True})
    for kind, pickled in make_malicious_pickles(marker).items():
        parts = [START, dumps(1001), facts, pickled, dumps([])]
        for place in range(1, 5):
            attacked = [*parts[:place], pickled, *parts[place + 1 :]]
            (tmp_path / "a.pth").write_bytes(b"".join(attacked))
            get_refusal(tmp_path / "a.pth")
            assert not marker.exists(), kind
