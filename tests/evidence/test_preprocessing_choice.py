"""Every audit says who said how pictures become tensors, and doubts it where nobody did."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from PIL import Image

import onnx_ood
from onnx_ood import models


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model without a card, and garments."""
    root = tmp_path_factory.mktemp("guessing")
    shutil.copy(models.path("fashion_cnn"), root / "model.onnx")
    (root / "garments").mkdir()
    for i, picture in enumerate(models.fashion_samples()[0][:12]):
        Image.fromarray(np.ascontiguousarray(picture)).save(root / "garments" / f"{i:02}.png")
    return root


def _score(folder, stated):
    settings = onnx_ood.ScoreSettings(detectors=("deviation",), copies=1, preprocess=stated)
    return onnx_ood.score(folder / "model.onnx", [str(folder / "garments")], settings)


def _bench(folder, stated):
    settings = onnx_ood.BenchSettings(detectors=("msp",), preprocess=stated, limit=11)
    return onnx_ood.bench(folder / "model.onnx", [str(folder / "garments")], settings=settings)


def _directions(folder, stated):
    settings = onnx_ood.DirectionsSettings(
        preprocess=stated, scales=(0.02,), probes=("op:Relu[0]",), limit=11
    )
    return onnx_ood.directions(folder / "model.onnx", [str(folder / "garments")], settings=settings)


def _sensitivity(folder, stated):
    settings = onnx_ood.SensitivitySettings(directions=2, trajectories=0, preprocess=stated)
    return onnx_ood.sensitivity([folder / "model.onnx"], [str(folder / "garments")], settings).models[0]


def _plane(folder, stated):
    settings = onnx_ood.PlaneSettings(resolution=8, directions=0, preprocess=stated)
    garments = [str(folder / "garments" / f"{i:02}.png") for i in range(3)]
    return onnx_ood.plane(folder / "model.onnx", garments, settings)


@pytest.mark.parametrize("audit", [_score, _bench, _directions, _sensitivity, _plane])
def test_a_guess_is_called_one(folder, audit):
    guessed, stated = audit(folder, None), audit(folder, "unit")
    assert "(guessed " in guessed.preprocessing
    assert sum("is a guess" in note for note in guessed.notes) == 1
    assert stated.preprocessing.endswith("(stated: unit)")
    assert not any("is a guess" in note for note in stated.notes)


@pytest.mark.parametrize("audit", [_score, _bench, _directions, _sensitivity, _plane])
def test_a_card_of_another_file_is_doubted(folder, audit, tmp_path):
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    card = json.loads(models.path("fashion_cnn").with_suffix(".json").read_text())
    (tmp_path / "model.json").write_text(json.dumps(card))
    shutil.copy(models.path("fashion_cnn").with_name("fashion_classes.txt"), tmp_path)
    assert not any("checksum" in note for note in audit(tmp_path, None).notes)
    (tmp_path / "model.json").write_text(json.dumps(card | {"sha256": "0" * 64}))
    assert sum("another checksum" in note for note in audit(tmp_path, None).notes) == 1
