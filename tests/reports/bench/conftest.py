"""A benchmark with scores and corruptions, shared by the tests of its charts."""

from __future__ import annotations

import pytest
from PIL import Image

import onnx_ood
from onnx_ood import models


@pytest.fixture(scope="session")
def measured(tmp_path_factory: pytest.TempPathFactory) -> onnx_ood.BenchResult:
    images, _ = models.fashion_samples()
    folder = tmp_path_factory.mktemp("garments")
    for i, image in enumerate(images[:24]):
        Image.fromarray(image).save(folder / f"{i:02}.png")
    settings = onnx_ood.BenchSettings(
        detectors=("msp", "energy", "ash"), corruptions=("fog", "text"), scores=True, provider="cpu"
    )
    return onnx_ood.bench(models.path("fashion_cnn"), [str(folder)], None, settings)
