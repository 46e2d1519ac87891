"""WeiPer's probabilities against plain loops, and against the integral that its draws estimate."""

from dataclasses import replace

import numpy as np
import pytest
from detector_inputs import CLASSES, FEATURES, classifier, score
from scipy.integrate import quad
from scipy.special import expit, softmax

from onnx_ood.detectors import Features, LinearHead
from onnx_ood.detectors.methods.weiper import draws


@pytest.mark.parametrize("rectified", [True, False])
def test_it_is_the_mean_of_largest_probabilities(rectified: bool) -> None:
    info, features = classifier(3, rectified=rectified)
    rng = np.random.default_rng(0)
    totals = np.zeros(len(features))
    for _ in range(100):
        noise = rng.normal(size=(CLASSES, FEATURES))
        for row, h in enumerate(features.features):
            logits = []
            for w, b, e in zip(info.head.weight, info.head.bias, noise, strict=True):
                v = w + 1.8 * np.sqrt(w @ w) * e / np.sqrt(e @ e)
                logits.append(v @ h + b)
            totals[row] += softmax(logits).max()
    np.testing.assert_allclose(score("weiper", info, features), -totals / 100, rtol=1e-12)


def test_draws_estimate_the_integral_over_directions() -> None:
    """A class of weight 0 stays as it is; the logit of the other moves by 1.8·‖w‖·‖h‖·u, u a coordinate on a sphere.

    The density of u in D dimensions is proportional to (1 − u²)^((D − 3) / 2).
    """
    rng = np.random.default_rng(1)
    weight = np.stack([rng.normal(0, 0.05, FEATURES), np.zeros(FEATURES)])
    info = replace(classifier(0)[0], head=LinearHead(weight, np.zeros(2), rectified=True))
    h = np.abs(rng.normal(size=(20, FEATURES)))
    found = -score("weiper", info, Features(features=h))
    power = (FEATURES - 3) / 2
    whole = quad(lambda u: (1 - u * u) ** power, -1, 1)[0]
    for one, value in zip(h, found, strict=True):
        z, size = weight[0] @ one, 1.8 * np.linalg.norm(weight[0]) * np.linalg.norm(one)

        def moment(k: int, z: float = z, size: float = size) -> float:
            return quad(lambda u: expit(abs(z + size * u)) ** k * (1 - u * u) ** power, -1, 1)[0] / whole

        error = np.sqrt((moment(2) - moment(1) ** 2) / 100)
        assert abs(value - moment(1)) < 4 * error


def test_a_large_head_gets_fewer_draws() -> None:
    assert [draws(one) for one in (640, 2**24 // 100, 1_280_000, 10**9)] == [100, 100, 13, 10]
