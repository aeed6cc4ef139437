"""The notebooks in docs/: they can be executed, use public names only, and hold what they show."""

import ast
import re

import pytest

import dreamsound_jax as ds

nbformat = pytest.importorskip("nbformat")
pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")
from execute_notebooks import DOCS, execute_notebook  # noqa: E402

NOTEBOOKS = sorted(DOCS.glob("*.ipynb"))
MOST_BYTES = 700_000
PUBLIC = {"ds": ds.__all__, "to": ds.objectives.__all__}
IMPORTS = {("dreamsound_jax", "ds"), ("dreamsound_jax.objectives", "to")}

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@each_notebook
def test_a_notebook_holds_what_it_shows(path):
    """Cells were executed in their order; there are pictures and players, and no warnings."""
    cells = code_cells(nbformat.read(path, as_version=4))
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    kinds = [kind for output in outputs for kind in output.get("data", {})]
    assert kinds.count("image/png") >= 6 and kinds.count("text/html") >= 4
    assert {output.get("name", "stdout") for output in outputs} == {"stdout"}
    assert path.stat().st_size < MOST_BYTES


@each_notebook
def test_a_notebook_is_explained_and_its_links_lead_somewhere(path):
    cells = nbformat.read(path, as_version=4).cells
    for before, cell in zip(cells, cells[1:]):
        assert (before.cell_type, cell.cell_type) != ("code", "code"), cell.source
    texts = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    for link in re.findall(r"\]\(([^)#]+)", texts):
        assert (path.parent / link).exists(), link


@each_notebook
def test_a_notebook_uses_public_names_only(path):
    source = "\n".join(cell.source for cell in code_cells(nbformat.read(path, as_version=4)))
    used = list(find_names(ast.parse(source)))
    assert ("ds", "dream") in used
    for module, name in used:
        assert name in PUBLIC[module], f"{module}.{name}"


@pytest.mark.slow
@each_notebook
def test_a_notebook_can_be_executed_and_shows_the_same(path, monkeypatch):
    """Other machines may round differently, so its numbers need not be the same."""
    monkeypatch.setenv("PYTHONPATH", str(DOCS.parent))
    committed = code_cells(nbformat.read(path, as_version=4))
    executed = code_cells(execute_notebook(path))
    for before, after in zip(committed, executed, strict=True):
        assert kinds_of(after) == kinds_of(before), after.source
        assert numbers_of(after) == pytest.approx(numbers_of(before), rel=0.2, abs=0.1)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def find_names(tree):
    """Returns (alias, name) of all that is read of the package; other ways to read it fail."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported = {(each.name, each.asname) for each in node.names}
            assert all(pair in IMPORTS for pair in imported if pair[0].startswith("dreamsound"))
        elif isinstance(node, ast.ImportFrom) and node.module.startswith("dreamsound"):
            assert {(f"{node.module}.{each.name}", each.asname) for each in node.names} <= IMPORTS
        elif isinstance(node, ast.Attribute):
            assert not node.attr.startswith("_"), node.attr
            if isinstance(node.value, ast.Name) and node.value.id in PUBLIC:
                yield node.value.id, node.attr


def kinds_of(cell):
    return sorted(kind for output in cell.outputs for kind in output.get("data", {"text": ""}))


def numbers_of(cell):
    printed = "".join(output.get("text", "") for output in cell.outputs)
    return [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", printed)]
