"""Folders of garments, hostile names, and results of many inputs."""

from pathlib import Path

import numpy as np
from PIL import Image

from onnx_ood import models

SCHEMAS = Path(__file__).parents[2] / "docs" / "schemas"
CNN = models.path("fashion_cnn")
# A folder and a file whose path ends a script and begins others.
HOSTILE = Path("a<") / "script><img src=x onerror=alert(1)>'\"&.png"


def save_garments(folder, count, noise=0.0):
    images, _ = models.fashion_samples()
    rng = np.random.default_rng(0)
    paths = [folder / f"g{i:04}.png" for i in range(count)]
    for i, path in enumerate(paths):
        pixels = images[i % len(images)] + rng.normal(0, noise * (i % 7), (28, 28))
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)
    return paths


def listed(result, count):
    """A result of as many inputs, all of them with other numbers."""
    inputs = [
        one.model_copy(update={"id": f"{i:05}/{one.id}", "rank": i + 1})
        for i, one in enumerate(result.inputs[i % len(result.inputs)] for i in range(count))
    ]
    return result.model_copy(update={"inputs": tuple(inputs), "scored": count})
