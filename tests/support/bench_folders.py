"""Pictures as a model takes them, and its logits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

from onnx_ood import models

COUNT = 30


def read_batch(folder: Path) -> np.ndarray:
    pictures = np.stack([np.asarray(Image.open(path)) for path in sorted(folder.iterdir())])
    return (pictures[:, np.newaxis] / 255).astype(np.float32)


def logits_of(folder: Path) -> np.ndarray:
    session = onnxruntime.InferenceSession(models.path("fashion_cnn"), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    logits: np.ndarray = session.run(None, {name: read_batch(folder)})[0].astype(np.float64)
    return logits
