"""The generic reference: crops of the photos that come with the package, as a model takes them."""

from __future__ import annotations

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


def generic_photos(preprocessing: Preprocessing) -> NDArray[np.float32]:
    """Crops squares of the bundled photos and brings them to a model's size.

    What is cropped is of any size between a half and the whole of the photo, as pictures in collections are; a square is
    stretched to the model's size.

    Args:
        preprocessing: How pictures become tensors; of it the size and the channels matter.

    Returns:
        [N, H, W, C] in [0, 1], float32: 4 crops of each photo, one photo behind the other.
    """
    height, width = preprocessing.size
    rng = np.random.default_rng(_SEED)
    crops = []
    for path in models.photos():
        photo = read_image(path, preprocessing.channels)
        short = min(photo.size)
        for _ in range(CROPS):
            side = short * rng.uniform(_LEAST, _MOST)
            left, top = (rng.uniform(0, length - side) for length in photo.size)
            box = (left, top, left + side, top + side)
            crop = photo.convert("L" if preprocessing.channels == "L" else "RGB").resize(
                (width, height), Image.Resampling.LANCZOS, box=box
            )
            crops.append(np.asarray(crop, np.float32).reshape(height, width, -1))
    pictures = np.stack(crops) / np.float32(255)
    return pictures[..., ::-1] if preprocessing.channels == "BGR" else pictures
