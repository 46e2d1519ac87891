"""Mahalanobis distance of the last features from those of reference inputs."""

from __future__ import annotations

from typing_extensions import override

from onnx_ood.detectors.base import Detector, FittedDetector
from onnx_ood.detectors.features import Features, ModelInfo
from onnx_ood.detectors.models.gaussian import ShrunkGaussian
from onnx_ood.detectors.requirements import features_of, reference_of, why_no_head

# Where classes lie makes up most of the covariance of a classifier's features. What is strange leaves them in
# directions of small variance, which a larger share of the identity would hide: on the bundled fashion networks 0.1
# ranks better than 0.5, from 10 references as from 100.
_SHRINKAGE = 0.1


class Mahalanobis(Detector):
    """Features of known-good inputs are one Gaussian; a few of them can't tell one for each class."""

    name = "mahalanobis"
    formula = "√((h − μ)ᵀ·Σ⁻¹·(h − μ)), h standardised, Σ shrunk by 0.1"
    source = (
        "K. Lee et al., NeurIPS 2018, without classes: R. Kamoi and K. Kobayashi, 2020 (arXiv:2003.00402)"
    )
    needs = ("features",)
    uses_reference = True

    @override
    def why_not(self, info: ModelInfo) -> str | None:
        return why_no_head(info)

    @override
    def fit(self, info: ModelInfo, reference: Features | None) -> FittedDetector:
        usual = ShrunkGaussian(features_of(reference_of(reference)), _SHRINKAGE)
        return lambda evidence: usual.distances(features_of(evidence))
