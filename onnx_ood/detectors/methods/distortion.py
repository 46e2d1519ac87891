"""Rotation of activations relative to the rotation of the input."""

from __future__ import annotations

import numpy as np
from typing_extensions import override

from onnx_ood._types import Float
from onnx_ood.detectors.features import Features
from onnx_ood.detectors.per_probe import PerProbeDetector
from onnx_ood.detectors.registry import register_detector
from onnx_ood.detectors.requirements import required


@register_detector
class Distortion(PerProbeDetector):
    """Published ratio of angles; it cancels that a nudge of fixed size rotates a faint input further."""

    name = "distortion"
    formula = "−mean over probes of log₁₀ mean over nudges of (angle at the probe / angle at the input)"
    source = (
        "LessWrong, How to tell if your input is out of distribution given only model weights (at one probe)"
    )
    needs = ("pairs",)
    order = 180

    @override
    def values(self, features: Features) -> Float:
        return -np.log10(required(features.distortions, "distortions"))
