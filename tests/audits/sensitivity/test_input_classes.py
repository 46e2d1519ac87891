"""Classes of inputs: from a file, or from predictions."""

from __future__ import annotations

from pathlib import Path

from garment_arrays import garments, saved

import onnx_ood
from onnx_ood import models


def test_ellipses_go_by_the_classes_of_a_file(tmp_path: Path) -> None:
    """By classes that have nothing to do with what the model says."""
    inputs, _ = garments(10)
    file = saved(tmp_path, "x.npy", inputs)
    given = {f"x.npy[{i}]": "abc"[i % 3] for i in range(9)}
    (tmp_path / "classes.csv").write_text(
        "class,input,weight\n" + "".join(f"{of},{name},1\n" for name, of in given.items())
    )
    settings = onnx_ood.SensitivitySettings(
        classes=tmp_path / "classes.csv", trajectories=3, directions=2, tolerance=0.2
    )
    (model,) = onnx_ood.sensitivity([models.path("fashion_cnn")], [file], settings).models
    ways = {"same_class": 1, "different_classes": 3}
    for kind, wanted in ways.items():
        through = [way.inputs for way in model.trajectories if way.type == kind]
        assert len(through) == 3
        for ids in through:
            assert len({given[Path(name).name] for name in ids}) == wanted
    assert model.classes == str(tmp_path / "classes.csv")
    assert any(note.startswith("1 of 10 inputs have no class") for note in model.notes)
