"""How much memory there is."""

from dreamsound_jax.system import memory
from dreamsound_jax.system.memory import Memory

MEMINFO = (
    "MemTotal: 4000 kB\nMemFree: 5 kB\nMemAvailable: 3000 kB\nSwapTotal: 200 kB\nSwapFree: 100 kB\n"
)


def test_the_memory_of_a_machine_is_read_and_that_of_a_container_limits_it(tmp_path, monkeypatch):
    (tmp_path / "meminfo").write_text(MEMINFO)
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    assert memory.of_machine() == Memory(3100 * 1024, 4200 * 1024)
    files = {
        "memory.max": "2000000",
        "memory.current": "1500000",
        "memory.stat": "a 1\ninactive_file 400000\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert memory.of_machine() == Memory(900_000, 2_000_000)
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.of_machine() == Memory(3100 * 1024, 4200 * 1024)


def test_the_memory_of_this_machine_is_known():
    found = memory.of_devices()
    assert found is None or 10**7 < found.free <= found.total
