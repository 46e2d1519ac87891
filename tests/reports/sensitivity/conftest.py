"""A sensitivity audit of two models, shared by the tests of its reports."""

from __future__ import annotations

import numpy as np
import pytest

import onnx_ood
from onnx_ood import models


@pytest.fixture(scope="session")
def result(tmp_path_factory: pytest.TempPathFactory) -> onnx_ood.SensitivityResult:
    images, _ = models.fashion_samples()
    file = tmp_path_factory.mktemp("garments") / "x.npy"
    np.save(file, (images[::20, np.newaxis] / 255).astype(np.float32))
    settings = onnx_ood.SensitivitySettings(directions=2, trajectories=2, tolerance=0.2)
    return onnx_ood.sensitivity(
        [models.path("fashion_cnn"), models.path("fashion_resnet")], [str(file)], settings
    )
