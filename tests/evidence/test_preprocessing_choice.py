"""Every audit says who said how pictures become tensors, and doubts it where nobody did."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from PIL import Image

import onnx_ood
from onnx_ood import models
from onnx_ood.evidence.preprocessing_choice import choose_preprocessing, find_card, find_class_names
from onnx_ood.graph import load
from onnx_ood.inputs import open_inputs


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


@pytest.mark.parametrize(
    ("stored", "applies", "words"),
    [
        (np.zeros((3, 28, 28), np.uint8), "all", "mean 0, std 1, NCHW (stated: unit,L)"),
        (
            np.zeros((3, 1, 28, 28), np.float32),
            "none",
            "not applied: all inputs are arrays, fed as they are",
        ),
    ],
)
def test_the_report_says_what_the_preprocessing_is_applied_to(
    tmp_path: Path, stored: Any, applies: str, words: str
) -> None:
    np.save(tmp_path / "x.npy", stored)
    fed = load(models.path("fashion_cnn")).inputs[0]
    for given in (tmp_path / "x.npy", stored):
        chosen = choose_preprocessing(fed, open_inputs(given), "unit,L", None)
        assert chosen is not None
        assert chosen.applies == applies
        assert words in chosen.describe()
    Image.fromarray(np.zeros((28, 28), np.uint8)).save(tmp_path / "y.png")
    mixed = choose_preprocessing(fed, open_inputs(tmp_path), "unit,L", None)
    assert mixed is not None
    assert mixed.describe().endswith("; not applied to arrays, fed as they are") is (applies == "none")


def test_metadata_of_the_file_is_found(tmp_path: Path) -> None:
    proto = onnx.load(models.path("fashion_cnn"))
    for key, value in (("mean", "0.25"), ("std", "(0.5,)"), ("names", "{0: 'a', 1: 'b'}")):
        proto.metadata_props.add(key=key, value=value)
    onnx.save(proto, tmp_path / "m.onnx")
    card = find_card(load(tmp_path / "m.onnx"))
    # A mean that is not a list cannot be meant; the names are read all the same.
    assert card is not None
    assert card.preprocessing is None
    assert find_class_names(None, card) == ["a", "b"]
    (tmp_path / "labels.txt").write_text("x\ny\n")
    assert find_class_names(tmp_path / "labels.txt", card) == ["x", "y"]
    proto.metadata_props[0].value = "[0.25]"
    onnx.save(proto, tmp_path / "m.onnx")
    again = find_card(load(tmp_path / "m.onnx"))
    assert again is not None
    assert again.preprocessing is not None
    assert (again.preprocessing.mean, again.preprocessing.std) == ((0.25,), (0.5,))
    assert again.source == "metadata in the file"
