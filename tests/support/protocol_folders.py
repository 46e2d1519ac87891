"""Data folders of a protocol, with garments in place of its pictures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from onnx_ood import models

COUNT = 16


def write_list(
    data: Path,
    name: str,
    pictures: np.ndarray,
    labels: list[int] | None = None,
    images: str = "images_classic",
) -> Path:
    """Write pictures below `images` and the list of a set that names them."""
    folder = data / images / name / "test"
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for i, picture in enumerate(pictures):
        Image.fromarray(np.ascontiguousarray(picture)).save(folder / f"{i:04}.png")
        lines.append(f"{name}/test/{i:04}.png {labels[i] if labels else -1}")
    path = data / "benchmark_imglist" / "cifar10" / f"test_{name}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


def garment_sets() -> tuple[np.ndarray, list[int], Mapping[str, np.ndarray]]:
    """Return garments, their labels, and altered ones by the names of sets."""
    images, labels = models.fashion_samples()
    garments = images[:COUNT]
    rng = np.random.default_rng(0)
    return (
        garments,
        [int(label) for label in labels[:COUNT]],
        {
            "cifar100": garments[:, ::-1],
            "tin": images[COUNT : 2 * COUNT].transpose(0, 2, 1),
            "mnist": 255 - garments,
            "svhn": rng.integers(0, 256, garments.shape).astype(np.uint8),
        },
    )


def write_data(data: Path) -> Path:
    """Write a data folder without Textures and Places365, and with a list of SVHN that names 4 pictures too many."""
    garments, labels, sets = garment_sets()
    write_list(data, "cifar10", garments, labels)
    for name, pictures in sets.items():
        if name != "mnist":
            write_list(data, name, pictures)
    np.save(data / "mnist.npy", sets["mnist"])
    for i in range(4):
        (data / "images_classic" / "svhn" / "test" / f"{i:04}.png").unlink()
    return data
