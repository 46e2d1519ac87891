"""Garments as inputs of the bundled models, in memory and in files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from onnx_ood import models


def garments(count: int, start: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Every so many of the bundled garments, as the models take them, and their classes."""
    images, labels = models.fashion_samples()
    chosen = slice(start, None, len(images) // count)
    return (images[chosen, np.newaxis] / 255).astype(np.float32)[:count], labels[chosen][:count]


def saved(folder: Path, name: str, inputs: np.ndarray) -> str:
    np.save(folder / name, inputs)
    return str(folder / name)
