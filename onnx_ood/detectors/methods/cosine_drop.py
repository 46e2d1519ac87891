"""Rotation of activations under small perturbations of the input."""

from __future__ import annotations

import numpy as np
from typing_extensions import override

from onnx_ood._types import Float
from onnx_ood.detectors.features import Features
from onnx_ood.detectors.per_probe import PerProbeDetector
from onnx_ood.detectors.registry import register_detector
from onnx_ood.detectors.requirements import required


@register_detector
class CosineDrop(PerProbeDetector):
    """Published claim: a smaller rotation is more out-of-distribution. Often inverted, above all for smooth images."""

    name = "cosine_drop"
    formula = "−mean over probes of log₁₀ mean over nudges of (1 − cos(clean, nudged))"
    source = (
        "the claim of LessWrong, How to tell if your input is out of distribution given only model weights"
    )
    needs = ("pairs",)
    order = 170

    @override
    def values(self, features: Features) -> Float:
        return -np.log10(required(features.drops, "cosine drops"))
