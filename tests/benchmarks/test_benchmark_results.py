"""Timing in turns, ratios from pairs, tables, and the page that keeps them."""

import json

import pytest

from benchmarks import record
from benchmarks.results import Spread, Table, compare_pairs, format_table, time_in_turns
from benchmarks.start import ROOT
from dreamsound_jax.system.errors import UserError

PARTS = {"peers": "the dream, against PyTorch", "start": "from the command to the sound"}
TABLE = Table(
    "A dream",
    ["layer", "clips", "s/clip"],
    [["relu1_1", 4, Spread(0.5, 0.4, 0.6)], ["out|put", 12345, None]],
    ("A note.",),
)


def record_peers(folder, kind, date, part="peers"):
    facts = {"command": "python scripts/benchmark.py", "date": date, "device": "a machine"}
    record.record(folder, part, kind, [TABLE], facts, parts=PARTS)
    return (folder / "BENCHMARKS.md").read_text()


def test_ratios_compare_each_round_by_itself():
    # The machine is ten times as slow in the second round; the medians' ratio would be 8.
    assert compare_pairs([4.0, 30.0, 8.0], [1.0, 10.0, 4.0]) == (3.0, 2.0, 4.0)


def test_functions_take_turns_and_the_first_round_is_not_counted():
    turns = []
    functions = {name: lambda name=name: turns.append(name) for name in "ab"}
    seconds = time_in_turns(functions, rounds=2)
    assert turns == list("ababab")
    assert {name: len(values) for name, values in seconds.items()} == {"a": 2, "b": 2}
    assert all(value >= 0 for values in seconds.values() for value in values)


def test_a_table_as_markdown():
    assert format_table(TABLE).splitlines() == [
        "**A dream**",
        "",
        "| layer    | clips |           s/clip |",
        "| -------- | ----: | ---------------: |",
        "| relu1_1  |     4 | 0.5 (0.4 to 0.6) |",
        "| out\\|put | 12345 |     not measured |",
        "",
        "- A note.",
    ]


def test_the_newest_figures_of_each_kind_of_device_are_kept(tmp_path):
    for kind, date in (("CPU", "2026-01-01"), ("GPU", "2026-01-02"), ("CPU", "2026-01-03")):
        page = record_peers(tmp_path, kind, date)
    assert "2026-01-03, a machine" in page and "2026-01-02" in page and "2026-01-01" not in page
    assert page.count(format_table(TABLE)) == 2
    assert "TPU: not measured; `python scripts/benchmark.py --parts=peers --record`" in page
    assert "CPU: not measured; `python scripts/benchmark.py --parts=start --record`" in page
    assert page.index("## peers: the dream, against PyTorch") < page.index("## start: from")
    assert record_peers(tmp_path, "CPU", "2026-01-03") == page


def test_recording_one_part_leaves_the_figures_of_all_others(tmp_path):
    page = (ROOT / "BENCHMARKS.md").read_text()
    (tmp_path / "BENCHMARKS.md").write_text(page)
    before = record.read_page(tmp_path)
    assert {"stages", "peers", "convolution"} <= before.keys()
    record_peers(tmp_path, "CPU", "2026-12-01")
    after = record.read_page(tmp_path)
    assert after.pop("peers") != before.pop("peers")
    assert after == before
    rows = [line for text in before.values() for line in text.get("CPU", "").splitlines()]
    assert len(rows) > 100 and all(line in page for line in rows)


@pytest.mark.parametrize("content", [b"# Another page", b"\xff"])
def test_what_is_not_the_page_is_refused_and_left(tmp_path, content):
    path = tmp_path / "BENCHMARKS.md"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"BENCHMARKS\.md"):
        record_peers(tmp_path, "CPU", "2026-01-01")
    assert path.read_bytes() == content


def test_results_as_json(tmp_path):
    record.save_json(tmp_path, "peers", "CPU", [TABLE], {"date": "2026-01-01"})
    found = json.loads((tmp_path / "outputs/benchmarks/peers-cpu.json").read_text())
    assert (found["part"], found["date"]) == ("peers", "2026-01-01")
    assert found["tables"][0]["rows"][0] == ["relu1_1", 4, [0.5, 0.4, 0.6]]
