"""Folders of garments and a benchmark of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from bench_folders import COUNT
from PIL import Image

import onnx_ood
from onnx_ood import models


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Garments, and garments upside down and left to right mixed with noise."""
    images, _ = models.fashion_samples()
    rng = np.random.default_rng(0)
    good, odd = tmp_path_factory.mktemp("garments"), tmp_path_factory.mktemp("odd")
    for i, image in enumerate(images[: 2 * COUNT : 2]):
        Image.fromarray(image).save(good / f"{i:02}.png")
        noisy = np.clip(image[::-1].astype(float) + rng.normal(0, 60, image.shape), 0, 255)
        Image.fromarray(noisy.astype(np.uint8)).save(odd / f"{i:02}.png")
    return good, odd


@pytest.fixture(scope="session")
def result(folders: tuple[Path, Path]) -> onnx_ood.BenchResult:
    good, odd = folders
    settings = onnx_ood.BenchSettings(detectors=("energy", "msp", "batch_norm"), provider="cpu")
    return onnx_ood.bench(models.path("fashion_cnn"), [str(good)], {"odd": [str(odd)]}, settings)
