"""Bundled references against the bundled photos."""

from __future__ import annotations

import numpy as np
from PIL import Image

from onnx_ood import models
from onnx_ood.evidence.bundled_photos import CROPS, altered_crops, bundled_photos
from onnx_ood.inputs import parse


def test_crops_are_parts_of_the_photos() -> None:
    """The colours of each crop are within those of its photo, and crops of one photo are a photo's number apart."""
    preprocessing = parse("unit,stretch,size=48", (None, 3, None, None))
    pictures = bundled_photos(preprocessing)
    photos = models.photos()
    assert pictures.shape == (CROPS * len(photos), 48, 48, 3)
    assert pictures.dtype == np.float32
    for place, path in enumerate(photos):
        with Image.open(path) as photo:
            whole = np.asarray(photo.convert("RGB").resize((48, 48), Image.Resampling.BOX), np.float32) / 255
        for crop in pictures[place :: len(photos)]:
            # Whole and crop show the same thing: colours are nearer than those of most other photos.
            assert np.abs(crop.mean(axis=(0, 1)) - whole.mean(axis=(0, 1))).max() < 0.35
    np.testing.assert_array_equal(pictures, bundled_photos(preprocessing))
    turned = bundled_photos(preprocessing.model_copy(update={"channels": "BGR"}))
    np.testing.assert_array_equal(turned[..., ::-1], pictures)


def test_every_second_crop_of_a_photo_went_through_a_jpeg() -> None:
    """A JPEG can't hold a picture's finest colours: it keeps every second column and row of them."""
    preprocessing = parse("unit,stretch,size=64", (None, 3, None, None))
    pictures = bundled_photos(preprocessing).reshape(CROPS, -1, 64, 64, 3)
    with_blue = pictures[..., 2] - pictures @ np.array([0.299, 0.587, 0.114], np.float32)
    fine = np.abs(np.diff(with_blue, axis=3)[..., ::2]).mean(axis=(1, 2, 3))
    assert max(fine[1::2]) < 0.75 * min(fine[::2])


def test_crops_are_altered_equally_often() -> None:
    chosen = altered_crops(12)
    assert [len(set(which.tolist())) for which in chosen] == [16] * 12
    counts = np.bincount(np.concatenate(chosen), minlength=CROPS * len(models.photos()))
    assert counts.sum() == 192
    assert np.ptp(counts) <= 1
    # The crops of an alteration are of 16 photos.
    assert all(len(set((which % len(models.photos())).tolist())) == 16 for which in chosen)
