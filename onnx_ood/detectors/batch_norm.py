"""Distance to the statistics that BatchNormalization nodes carry."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from onnx_ood.detectors.detector import Detector, Scorer
from onnx_ood.detectors.evidence import Evidence, Subject
from onnx_ood.measurement import ChannelStatistics

_LEAST_RATIO = 1e-6
_SMALLEST = 1e-12


class BatchNorm(Detector):
    """Running statistics tell what channels held in training; what makes them hold something else is strange."""

    name = "batch_norm"
    formula = "mean over layers of log mean over channels of KL(N(μ_x, σ_x²) ‖ N(μ, σ²))"
    source = "onnx_ood; the divergence is the one of data-free distillation (H. Yin et al., CVPR 2020)"
    needs = ("norms",)

    @override
    def why_not(self, subject: Subject) -> str | None:
        if not subject.norms:
            return "it has no BatchNormalization nodes; exporters fold them into convolutions"
        return None

    @override
    def fit(self, subject: Subject, reference: Evidence | None) -> Scorer:
        known = [(one.mean, one.variance + one.epsilon) for one in subject.norms]

        def score(evidence: Evidence) -> NDArray[np.float64]:
            layers = [
                _divergence(found, mean, variance)
                for found, (mean, variance) in zip(evidence.norms, known, strict=True)
            ]
            total: NDArray[np.float64] = np.mean(layers, axis=0)
            return total

        return score


def _divergence(
    found: ChannelStatistics, mean: NDArray[np.float64], variance: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Log of the mean divergence of channels from what they held in training, [N]."""
    # A channel that is constant in an input would be infinitely far; a thousandth of the usual spread stands for it.
    ratio = np.maximum(found.variance / variance, _LEAST_RATIO)
    each = 0.5 * (ratio + (found.mean - mean) ** 2 / variance - 1 - np.log(ratio))
    logs: NDArray[np.float64] = np.log(np.maximum(each.mean(axis=1), _SMALLEST))
    return logs
