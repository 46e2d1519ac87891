"""The generic reference: crops of the photos that come with the package, as a model takes them."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from onnx_ood import models
from onnx_ood.inputs import Preprocessing, read_image

CROPS = 4
"""Crops of each photo."""
_SEED = 0
# The side of a crop as a share of the photo's shorter side.
_LEAST, _MOST = 0.5, 1.0
# From hardly visible to plain.
_QUALITIES = (50, 99)


def generic_photos(preprocessing: Preprocessing) -> NDArray[np.float32]:
    """Crops squares of the bundled photos and brings them to a model's size.

    Crops are of any size between a half and the whole of the photo, as objects in collections are; a square is
    stretched to the model's size.

    Pictures that reach a model may have been compressed at that size or not, and a file doesn't tell which kind it was
    made for. So that neither is strange, the second and fourth crop of each photo go through a JPEG of any quality from
    50 to 99.

    Args:
        preprocessing: How pictures become tensors; of it the size and the channels matter.

    Returns:
        [N, H, W, C] in [0, 1], float32: one crop of each photo, then a second of each and so on, 4 of each.
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
            side = short * rng.uniform(_LEAST, _MOST)
            left, top = (rng.uniform(0, length - side) for length in photo.size)
            box = (left, top, left + side, top + side)
            crop = photo.resize((width, height), Image.Resampling.LANCZOS, box=box)
            if number % 2:
                crop = _compressed(crop, int(compression.integers(*_QUALITIES, endpoint=True)))
            crops.append(np.asarray(crop, np.float32).reshape(height, width, -1))
    pictures = np.stack(crops) / np.float32(255)
    return pictures[..., ::-1] if preprocessing.channels == "BGR" else pictures


def _compressed(picture: Image.Image, quality: int) -> Image.Image:
    file = BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return Image.open(file).convert(picture.mode)
