"""The picture of which classes are taken for which."""

import io

import matplotlib.image
import numpy as np
import pytest

from dreamsound_jax.training import pipeline
from dreamsound_jax.training.confusion_plot import draw_confusion_matrices
from tests.helpers.training import CARD


@pytest.mark.parametrize(
    "classes",
    [
        ["$uicide_boy_$", "b"],
        [r"$\\frac{$", "$$"],
        ["caf\udce9", "a\x00b"],
        ["a\nb", "\x1b[2J"],
        ["x" * 3000, "\N{CJK UNIFIED IDEOGRAPH-591C}"],
        [f"class {number}" for number in range(200)],
    ],
    ids=["mathtext", "half a formula", "bytes", "lines", "long", "many"],
)
@pytest.mark.filterwarnings("error")
def test_any_names_of_classes_are_drawn(classes):
    counts = np.eye(len(classes), dtype=int)
    png = draw_confusion_matrices({"held_$out$": counts}, classes)
    height, width, _ = matplotlib.image.imread(io.BytesIO(png)).shape
    assert 300 < height <= width < 2600


def test_a_picture_that_cannot_be_drawn_is_one_line(tmp_path, monkeypatch, caplog):
    def fail(*_):
        raise MemoryError

    monkeypatch.setattr(pipeline, "draw_confusion_matrices", fail)
    pipeline.add_picture(tmp_path / "confusion.png", {"test": np.eye(2)}, CARD.classes)
    (record,) = caplog.records
    assert "confusion.png could not be made: MemoryError" in record.getMessage()
    pipeline.add_picture(tmp_path / "no/folder.png", {"test": np.eye(2)}, CARD.classes)
    assert not list(tmp_path.iterdir())
