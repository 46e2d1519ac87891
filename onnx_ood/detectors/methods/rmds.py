"""Relative Mahalanobis distance: distance from the nearest class, less that from all references."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from typing_extensions import override

from onnx_ood._types import Float
from onnx_ood.detectors.base import Detector, FittedDetector
from onnx_ood.detectors.features import Features, ModelInfo
from onnx_ood.detectors.models.gaussian import ShrunkCovariance, Standardizer
from onnx_ood.detectors.predicted_classes import predicted_classes, why_few_per_class
from onnx_ood.detectors.registry import register_detector
from onnx_ood.detectors.requirements import required, why_no_classes, why_no_head

# As in `mahalanobis`.
_SHRINKAGE = 0.1


@register_detector
class RelativeMahalanobis(Detector):
    """Relative Mahalanobis distance, with classes as the model predicts them.

    d_c² = (h − μ_c)ᵀ·Σ⁻¹·(h − μ_c) and d₀² = (h − μ₀)ᵀ·Σ₀⁻¹·(h − μ₀), with μ_c the mean of the references of a class, Σ
    the covariance within classes, and μ₀, Σ₀ those of all references, both with 1 / n. Without shrinkage this is the
    paper's, and does not depend on the standardisation.
    """

    name = "rmds"
    formula = "min over classes of d_c² − d₀², Mahalanobis distances from a class and from all, shrunk by 0.1"
    source = "J. Ren et al., 2021 (arXiv:2106.09022), with predicted classes; the shrinkage is onnx_ood's"
    needs = ("logits", "features")
    order = 310
    uses_reference = True

    @override
    def why_not(self, info: ModelInfo) -> str | None:
        return why_no_head(info) or why_no_classes(info)

    @override
    def why_not_references(self, reference: Features) -> str | None:
        return why_few_per_class(reference)

    @override
    def fit(self, info: ModelInfo, reference: Features | None) -> FittedDetector:
        known = required(reference, "references")
        standardizer = Standardizer.of(required(known.features, "features"))
        rows = standardizer.apply(required(known.features, "features"))
        classes, of = np.unique(predicted_classes(known), return_inverse=True)
        means = np.stack([rows[of == place].mean(axis=0) for place in range(len(classes))])
        mean = rows.mean(axis=0)
        size = np.sqrt(len(rows))
        return _RelativeDistance(
            standardizer,
            means,
            ShrunkCovariance((rows - means[of]) / size, _SHRINKAGE),
            mean,
            ShrunkCovariance((rows - mean) / size, _SHRINKAGE),
        )


@dataclass(frozen=True)
class _RelativeDistance:
    standardizer: Standardizer
    means: Float
    within: ShrunkCovariance
    mean: Float
    whole: ShrunkCovariance

    def __call__(self, features: Features) -> Float:
        rows = self.standardizer.apply(required(features.features, "features"))
        nearest = np.min([self.within.squared_distances(rows - mean) for mean in self.means], axis=0)
        relative: Float = nearest - self.whole.squared_distances(rows - self.mean)
        return relative
