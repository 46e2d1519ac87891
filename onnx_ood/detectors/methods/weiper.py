"""WeiPer: maximum softmax probability under perturbed weights of the linear head."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from typing_extensions import override

from onnx_ood._types import Float
from onnx_ood.detectors.base import Detector, FittedDetector
from onnx_ood.detectors.features import Features, LinearHead, ModelInfo
from onnx_ood.detectors.registry import register_detector
from onnx_ood.detectors.requirements import required, why_no_head
from onnx_ood.detectors.softmax import softmax

_DISTANCE = 1.8
_DRAWS, _MIN_DRAWS = 100, 10
# Perturbed weights in memory: 128 MiB, those of 13 draws with 1,000 classes and 1,280 features.
_MAX_WEIGHTS = 2**24
_SEED = 0


@register_detector
class WeightPerturbation(Detector):
    """Mean of the largest probability over perturbed heads, without the divergence of WeiPer+KLD.

    The constants are those of the authors' code. WeiPer+KLD has six more, which its authors choose for each data set by
    out-of-distribution inputs, so it is not offered.
    """

    name = "weiper"
    formula = (
        "−mean over r draws of max softmax(Vh + b), v_c = w_c + 1.8·‖w_c‖·ε/‖ε‖, ε normal, r = 10 to 100"
    )
    source = "M. Granz, M. Heurich and T. Landgraf, NeurIPS 2024 (MSP)"
    needs = ("features",)
    order = 125

    @override
    def why_not(self, info: ModelInfo) -> str | None:
        return why_no_head(info)

    @override
    def fit(self, info: ModelInfo, reference: Features | None) -> FittedDetector:
        head = required(info.head, "linear head")
        rng = np.random.default_rng(_SEED)
        perturbed = [_perturbed(head.weight, rng) for _ in range(draws(head.weight.size))]
        return partial(_score, head, perturbed)


def draws(weights: int) -> int:
    """Return the number of draws for a head with so many weights: 100, fewer if they take more than 128 MiB.

    >>> draws(10 * 64), draws(1000 * 1280), draws(1000 * 4096)
    (100, 13, 10)
    """
    return max(_MIN_DRAWS, min(_DRAWS, _MAX_WEIGHTS // weights))


def _perturbed(weight: Float, rng: np.random.Generator) -> Float:
    noise = rng.normal(size=weight.shape)
    lengths = np.linalg.norm(weight, axis=1) / np.linalg.norm(noise, axis=1)
    perturbed: Float = weight + _DISTANCE * lengths[:, np.newaxis] * noise
    return perturbed


def _score(head: LinearHead, perturbed: Sequence[Float], features: Features) -> Float:
    h = required(features.features, "features")
    total = np.zeros(len(h))
    for weight in perturbed:
        total += softmax(h @ weight.T + head.bias).max(axis=1)
    return -total / len(perturbed)
