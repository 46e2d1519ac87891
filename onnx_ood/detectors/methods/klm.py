"""KL matching: divergence of the class probabilities from those of references."""

from __future__ import annotations

from functools import partial

import numpy as np
from typing_extensions import override

from onnx_ood._types import Float
from onnx_ood.detectors.base import Detector, FittedDetector
from onnx_ood.detectors.features import Features, ModelInfo
from onnx_ood.detectors.predicted_classes import predicted_classes, why_few_per_class
from onnx_ood.detectors.registry import register_detector
from onnx_ood.detectors.requirements import required, why_no_classes
from onnx_ood.detectors.softmax import log_sum_exp, softmax


@register_detector
class KLMatching(Detector):
    """Divergence from the nearest of the mean distributions of classes, as the model predicts them."""

    name = "klm"
    formula = "min over classes of KL(p ‖ mean p of the references with this prediction)"
    source = "D. Hendrycks et al., ICML 2022"
    needs = ("logits",)
    order = 320
    uses_reference = True

    @override
    def why_not(self, info: ModelInfo) -> str | None:
        return why_no_classes(info)

    @override
    def why_not_references(self, reference: Features) -> str | None:
        return why_few_per_class(reference)

    @override
    def fit(self, info: ModelInfo, reference: Features | None) -> FittedDetector:
        known = required(reference, "references")
        shares, classes = softmax(required(known.logits, "logits")), predicted_classes(known)
        templates = np.stack([shares[classes == one].mean(axis=0) for one in np.unique(classes)])
        # The logarithm of a share that rounds to 0 would be infinite.
        return partial(_score, np.log(np.maximum(templates, np.finfo(np.float64).tiny)))


def _score(templates: Float, features: Features) -> Float:
    """Score inputs by the logarithms of the distributions of classes, [K, C]."""
    z = required(features.logits, "logits")
    shares = softmax(z)
    negative_entropy = (shares * (z - log_sum_exp(z)[:, np.newaxis])).sum(axis=1)
    divergence: Float = negative_entropy - (shares @ templates.T).max(axis=1)
    return divergence
