"""Slightly changed copies of pictures."""

from __future__ import annotations

import numpy as np
import pytest

from onnx_ood.perturb import mild_augmentations


@pytest.mark.parametrize("side", [5, 28, 56])
def test_copies_are_slight(side: int) -> None:
    pictures = np.random.default_rng(0).random((3, side, side, 3)).astype(np.float32)
    copies = mild_augmentations(pictures, 0)
    step = max(1, side // 14)
    np.testing.assert_array_equal(copies["shifted"][:, step:, step:], pictures[:, :-step, :-step])
    np.testing.assert_array_equal(copies["shifted_back"][:, :-step, :-step], pictures[:, step:, step:])
    np.testing.assert_array_equal(copies["shifted"][:, 0, 0], pictures[:, 0, 0])
    np.testing.assert_allclose(copies["dimmed"], 0.85 * pictures, rtol=1e-6)
    assert 0.005 < np.abs(copies["noisy"] - pictures).mean() < 0.02
    for copy in copies.values():
        assert copy.shape == pictures.shape
        assert copy.dtype == np.float32
        assert 0 <= copy.min() <= copy.max() <= 1
    np.testing.assert_array_equal(mild_augmentations(pictures, 0)["noisy"], copies["noisy"])
