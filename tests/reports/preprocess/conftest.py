"""A preprocessing search, shared by the tests of its reports."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

import onnx_ood
from onnx_ood import models
from onnx_ood.audits.preprocess.result import PreprocessResult


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    images, _ = models.fashion_samples()
    for i in range(52):
        Image.fromarray(images[3 * i]).save(folder / f"{i:02}.png")
    (folder / "broken <script>.png").write_bytes(b"")
    return folder


@pytest.fixture(scope="session")
def result(photos: Path) -> PreprocessResult:
    return onnx_ood.preprocess(
        models.path("fashion_cnn"), [str(photos)], onnx_ood.PreprocessSettings(limit=60, seed=1)
    )
