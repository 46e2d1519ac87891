"""GradNorm against a gradient by central differences."""

import numpy as np
from detector_inputs import classifier, score
from scipy.special import logsumexp


def test_it_is_the_norm_of_the_gradient() -> None:
    info, features = classifier(4)
    weight, bias = info.head.weight, info.head.bias

    def loss(weight: np.ndarray, h: np.ndarray) -> float:
        z = weight @ h + bias
        return float((logsumexp(z) - z).mean())

    h, step = features.features[0], 1e-6
    total = 0.0
    for index in np.ndindex(weight.shape):
        change = np.zeros_like(weight)
        change[index] = step
        total += abs(loss(weight + change, h) - loss(weight - change, h)) / (2 * step)
    np.testing.assert_allclose(score("grad_norm", info, features)[0], -total, rtol=1e-6)
