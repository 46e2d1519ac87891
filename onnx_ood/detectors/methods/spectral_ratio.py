"""Rotation of activations under 1/f noise relative to white noise."""

from __future__ import annotations

import numpy as np
from typing_extensions import override

from onnx_ood._types import Float
from onnx_ood.detectors.features import Features
from onnx_ood.detectors.per_probe import PerProbeDetector
from onnx_ood.detectors.registry import register_detector
from onnx_ood.detectors.requirements import required


@register_detector
class SpectralRatio(PerProbeDetector):
    """Log ratio of cosine drops under nudges of one size; how faint an input is cancels."""

    name = "spectral_ratio"
    formula = "mean over probes of log₁₀ drop under 1/f noise − log₁₀ drop under white noise"
    source = "onnx_ood, including the sign"
    needs = ("pairs", "smooth")
    order = 220

    @override
    def values(self, features: Features) -> Float:
        smooth = required(features.smooth_drops, "cosine drops under smooth nudges")
        return np.log10(smooth) - np.log10(required(features.drops, "cosine drops"))
