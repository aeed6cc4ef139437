"""Executes the notebooks in docs/, and writes what their cells show into them.

    python scripts/execute_notebooks.py docs/annotated_dream.ipynb docs/annotated_objectives.ipynb

Without a notebook, all of docs/ are executed. It needs pip install -e '.[test]'.
"""

import base64
import io
import os
from pathlib import Path

import nbformat
from absl import app
from nbclient import NotebookClient
from PIL import Image

DOCS = Path(__file__).resolve().parents[1] / "docs"
# A cell may compile several programs.
SECONDS_PER_CELL = 600
# What tqdm says where ipywidgets is not installed, which the notebooks do not need.
NO_WIDGETS = "ignore:IProgress not found"


def main(argv):
    paths = [*map(Path, argv[1:])] or sorted(DOCS.glob("*.ipynb"))
    for path in paths:
        if not path.is_file():
            raise app.UsageError(f"there is no notebook {str(path)!r}")
    for path in paths:
        notebook = execute_notebook(path)
        shrink_pictures(notebook)
        nbformat.write(notebook, path)
        print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


def execute_notebook(path):
    """Executes a notebook in its folder; returns it with the outputs. An exception is raised."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=SECONDS_PER_CELL,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(Path(path).parent)}},
    )
    client.execute(env={**os.environ, "PYTHONWARNINGS": NO_WIDGETS})
    # The versions of a machine are of no use to readers, and would change with each execution.
    notebook.metadata = {"kernelspec": notebook.metadata["kernelspec"]}
    return notebook


def shrink_pictures(notebook):
    """Reduces the pictures of a notebook to 256 colours, a third of the bytes."""
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            picture = output.get("data", {}).get("image/png")
            if picture:
                output["data"]["image/png"] = _shrink(picture)


def _shrink(picture):
    image = Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB")
    file = io.BytesIO()
    image.quantize(256).save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode()


if __name__ == "__main__":
    app.run(main)
