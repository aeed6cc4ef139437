import builtins
import json
import os
import shutil

import pytest

from dreamsound_jax.system import fingerprint
from dreamsound_jax.system.fingerprint import has_changed, take_fingerprint


def test_a_file_has_changed_if_its_bytes_have(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(b"one")
    before = json.loads(json.dumps(take_fingerprint(str(path))))
    assert not has_changed(str(path), before)
    shutil.copy(path, tmp_path / "copy.wav")
    assert not has_changed(str(tmp_path / "copy.wav"), before)
    os.utime(path)
    assert not has_changed(str(path), before)
    for other in (b"two", b"longer"):
        path.write_bytes(other)
        os.utime(path, ns=(before["stat"][0], before["stat"][0]))
        assert has_changed(str(path), before)


def test_a_file_that_is_as_it_was_is_not_read(tmp_path, monkeypatch):
    path = tmp_path / "a.wav"
    path.write_bytes(b"one")
    before = take_fingerprint(str(path))
    fingerprint._digest.cache_clear()
    monkeypatch.setattr(builtins, "open", lambda *_: pytest.fail("it is read"))
    assert not has_changed(str(path), before)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no pipes with names")
def test_what_is_no_file_has_no_fingerprint_and_has_not_changed(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    for name in ("pipe.wav", "nowhere.wav", ".", "a\0b"):
        path = f"{tmp_path}/{name}"
        assert take_fingerprint(path) is None and not has_changed(path, {"size": 1})
    assert take_fingerprint("https://a/b.wav") is None
