"""The list of models that --list_models prints."""

from dreamsound_jax.networks import catalogue
from dreamsound_jax.system import shipped as folders
from tests.helpers.tiny import write_checkpoint


def test_the_shipped_models_are_listed_with_classes_layers_and_place():
    assert set(folders.model_names()) >= {"gm", "fma-small", "cnn10", "cnn14", "cnn14_16k"}
    listed = catalogue.describe_models()
    assert "cannot be used" not in listed
    assert "16 classes:" in listed and "45 layers, shallow to deep:" in listed
    assert "527 classes:" in listed and "Male speech, man speaking; Female" in listed
    assert "; and 507 more, in " in listed and "Field recording" not in listed
    # The file of cnn14 has 327 MB; it has 3 MB more for a longer spectrum.
    assert "Cnn14_16k_mAP=0.438.pth, about 323 MB, https" in listed
    assert "Cnn10_mAP=0.380.pth, 25 MB, https" in listed
    assert "no weights here: in a clone of the project" in listed


def test_a_broken_card_hides_no_other(tmp_path, monkeypatch):
    write_checkpoint(tmp_path / "mine")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/card.json").write_text("{")
    for module in (folders, catalogue):
        monkeypatch.setattr(module, "shipped", lambda folder: tmp_path)
    listed = catalogue.describe_models()
    assert f"checkpoint: {tmp_path / 'mine'}" in listed and "class_5" in listed
    assert "broken\n  cannot be used: " in listed
