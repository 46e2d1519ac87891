"""Nearest neighbours by the last layers against sorted lists."""

import math

import numpy as np
import pytest
from detector_inputs import score

from onnx_ood.detectors import Features, ModelInfo

INFO = ModelInfo(None, None, False, (), ("a", "b", "c", "d"))


def drawn(seed: int, count: int) -> Features:
    rng = np.random.default_rng(seed)
    layers = (rng.normal(size=(count, channels)).astype(np.float32) for channels in (5, 3, 8, 64))
    return Features(peaks=tuple(layers))


@pytest.mark.parametrize("count", [10, 40])
def test_it_is_the_mean_logarithm_at_the_last_three_layers(count: int) -> None:
    reference, inputs = drawn(0, count), drawn(1, 6)
    expected = []
    for row in range(6):
        total = 0.0
        for known, layer in zip(reference.peaks[1:], inputs.peaks[1:], strict=True):
            a = [math.exp(value) for value in layer[row]]
            distances = []
            for other in known:
                r = [math.exp(value) for value in other]
                cosine = math.fsum(x * y for x, y in zip(a, r, strict=True)) / math.hypot(*a) / math.hypot(*r)
                distances.append(2 * math.sin(math.acos(min(cosine, 1)) / 2))
            total += math.log(min(distances) + 1e-9) / 3
        expected.append(total)
    np.testing.assert_allclose(score("layer_knn", INFO, inputs, reference), expected, rtol=1e-6)
