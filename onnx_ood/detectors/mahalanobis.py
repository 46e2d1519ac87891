"""Mahalanobis distance of the last features from those of reference inputs."""

from __future__ import annotations

from typing_extensions import override

from onnx_ood.detectors.detector import Detector, Scorer
from onnx_ood.detectors.evidence import Evidence, Subject
from onnx_ood.detectors.gaussian import ShrunkGaussian
from onnx_ood.detectors.scores import features_of, reference_of, why_no_head


class Mahalanobis(Detector):
    """Features of known-good inputs are one Gaussian; a few of them can't tell one for each class."""

    name = "mahalanobis"
    formula = "√((h − μ)ᵀ·Σ⁻¹·(h − μ)), h standardised, Σ shrunk by ½"
    source = (
        "K. Lee et al., NeurIPS 2018, without classes: R. Kamoi and K. Kobayashi, 2020 (arXiv:2003.00402)"
    )
    needs = ("features",)
    reference = True

    @override
    def why_not(self, subject: Subject) -> str | None:
        return why_no_head(subject)

    @override
    def fit(self, subject: Subject, reference: Evidence | None) -> Scorer:
        usual = ShrunkGaussian(features_of(reference_of(reference)))
        return lambda evidence: usual.distances(features_of(evidence))
