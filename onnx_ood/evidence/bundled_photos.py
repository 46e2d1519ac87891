"""Bundled references: crops of the photos that come with the package, at a model's size."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from importlib.metadata import version
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from onnx_ood import models
from onnx_ood.inputs import Preprocessing, read_image
from onnx_ood.perturb import corruptions

CROPS = 4
"""Crops of each photo."""
# Crops that each alteration is applied to. With all crops AUROCs are higher by 0.002 at most: docs/detectors.md.
_ALTERED = 16
_SEED = 0
# Side of a crop, relative to the shorter side of the photo.
_MIN_SIDE, _MAX_SIDE = 0.5, 1.0
# JPEG qualities, from visible to hardly visible artefacts.
_QUALITIES = (50, 99)


def bundled_photos(preprocessing: Preprocessing) -> NDArray[np.float32]:
    """Make square crops of the bundled photos at a model's size.

    The side of a crop is between a half and the whole of the photo, so that objects have sizes as in collections. Crops
    are stretched to the model's size. Pictures may have been compressed at that size or not; so that neither kind looks
    unusual, the second and fourth crop of each photo go through a JPEG of quality 50 to 99.

    Args:
        preprocessing: Preprocessing of the model; gives size and channels.

    Returns:
        Crops in [0, 1], float32 [N, H, W, C]: one of each photo, then a second of each and so on, 4 of each.
    """
    height, width = preprocessing.size
    rng = np.random.default_rng(_SEED)
    photos = [
        read_image(path, preprocessing.channels).convert("L" if preprocessing.channels == "L" else "RGB")
        for path in models.photos()
    ]
    compression = np.random.default_rng([_SEED, 1])
    crops = []
    for number in range(CROPS):
        for photo in photos:
            short = min(photo.size)
            side = short * rng.uniform(_MIN_SIDE, _MAX_SIDE)
            left, top = (rng.uniform(0, length - side) for length in photo.size)
            box = (left, top, left + side, top + side)
            crop = photo.resize((width, height), Image.Resampling.LANCZOS, box=box)
            if number % 2:
                crop = _compressed(crop, int(compression.integers(*_QUALITIES, endpoint=True)))
            crops.append(np.asarray(crop, np.float32).reshape(height, width, -1))
    pictures = np.stack(crops) / np.float32(255)
    return pictures[..., ::-1] if preprocessing.channels == "BGR" else pictures


def altered_crops(alterations: int) -> tuple[NDArray[np.intp], ...]:
    """Choose the crops to alter: 16 for each alteration, and all equally often.

    Args:
        alterations: Number of alterations.

    Returns:
        Indices of crops of `bundled_photos` by alteration, int64 [16] each.
    """
    count = CROPS * len(models.photos())
    return tuple(
        np.arange(number * _ALTERED, (number + 1) * _ALTERED) % count for number in range(alterations)
    )


def bundled_pictures_hash(alterations: Iterable[str]) -> str:
    """Hash what the crops and their altered versions depend on, apart from the preprocessing of a model.

    Args:
        alterations: Names and settings of alterations.

    Returns:
        SHA-256 of these, the photos, the version of Pillow, and the code that makes crops and alters them.
    """
    found = sha256("\n".join([*alterations, version("pillow")]).encode())
    code = sorted(Path(corruptions.__file__).parent.rglob("*.py"))
    for path in (*models.photos(), Path(__file__), *code):
        found.update(sha256(path.read_bytes()).digest())
    return found.hexdigest()


def _compressed(picture: Image.Image, quality: int) -> Image.Image:
    file = BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return Image.open(file).convert(picture.mode)
