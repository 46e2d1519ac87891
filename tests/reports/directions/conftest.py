"""Directions of garments against inverted ones, shared by the tests of its reports."""

from __future__ import annotations

from pathlib import Path

import pytest
from hostile_names import HOSTILE
from PIL import Image

import onnx_ood
from onnx_ood import models
from onnx_ood.audits.directions.result import DirectionsResult


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    good, bad = tmp_path_factory.mktemp("good"), tmp_path_factory.mktemp("bad")
    images, _ = models.fashion_samples()
    for i in range(12):
        Image.fromarray(images[7 * i]).save(good / f"{i:02}.png")
        Image.fromarray(255 - images[7 * i]).save(bad / f"{i:02}.png")
    (bad / "broken <i>.png").write_bytes(b"")
    return good, bad


@pytest.fixture(scope="session")
def result(folders: tuple[Path, Path]) -> DirectionsResult:
    good, bad = map(str, folders)
    settings = onnx_ood.DirectionsSettings(scales=(0.02, 0.125), seed=2, limit=13, preprocess="unit")
    return onnx_ood.directions(models.path("fashion_cnn"), [good], {HOSTILE: [bad]}, settings)
