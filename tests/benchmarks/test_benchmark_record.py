import json

import pytest

from benchmarks import record
from benchmarks.table import Table
from benchmarks.timing import Spread
from dreamsound_jax.system.errors import UserError

PARTS = {"peers": "the dream, against PyTorch", "start": "from the command to the sound"}
ROWS = [["relu1_1", 4, Spread(0.5, 0.4, 0.6)], ["out|put", 1, None]]


def entry(date, rows=ROWS):
    table = Table("A dream", ["layer", "clips", "s/clip"], rows, ("A note.",))
    how = {"command": "python scripts/benchmark.py --parts=peers", "device": "a machine"}
    return record.entry([table], date=date, seconds=1.26, **how)


def recorded(folder):
    page = (folder / "BENCHMARKS.md").read_text()
    return json.loads((folder / "docs/benchmark.json").read_text()), page


def test_the_newest_of_each_device_is_kept(tmp_path):
    for kind, date in (("cpu", "2026-01-01"), ("gpu", "2026-01-02"), ("cpu", "2026-01-03")):
        record.update(tmp_path, "peers", kind, entry(date), parts=PARTS)
    results, page = recorded(tmp_path)
    dates = {kind: found["date"] for kind, found in results["peers"].items()}
    assert dates == {"cpu": "2026-01-03", "gpu": "2026-01-02"}
    assert results == record.read(record.results_path(tmp_path))
    assert "2026-01-03, a machine" in page and "2026-01-02" in page and "2026-01-01" not in page
    assert "TPU: not measured; `python scripts/benchmark.py --parts=peers --record`" in page
    assert "CPU: not measured; `python scripts/benchmark.py --parts=start --record`" in page
    assert page.index("## peers: the dream, against PyTorch") < page.index("## start")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [
        "BENCHMARKS.md",
        "benchmark.json",
    ]


def test_a_table_is_the_same_from_memory_and_from_a_file():
    table = Table(**entry("2026-01-01")["tables"][0])
    lines = record.text(table).splitlines()
    assert lines == record.text(table._replace(rows=ROWS)).splitlines()
    assert lines[4] == "| relu1_1  |     4 | 0.5 (0.4 to 0.6) |"
    assert lines[5] == "| out\\|put |     1 |     not measured |"
    assert "- A note." in lines


@pytest.mark.parametrize("text", ["{", "[]", '{"peers": {"cpu": {"date": "2026-01-01"}}}'])
def test_what_is_not_a_record_is_refused_and_left(tmp_path, text):
    path = record.results_path(tmp_path)
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(UserError, match="benchmark.json"):
        record.update(tmp_path, "peers", "cpu", entry("2026-01-01"), parts=PARTS)
    assert path.read_text() == text
