"""How much more a smooth nudge turns activations than a rough one."""

from __future__ import annotations

import numpy as np
from typing_extensions import override

from onnx_ood._types import Float
from onnx_ood.detectors.features import Features
from onnx_ood.detectors.per_probe import PerProbeDetector


class SpectralRatio(PerProbeDetector):
    """Two nudges of one size: how faint an input is moves both drops alike, and cancels."""

    name = "spectral_ratio"
    formula = "mean over probes of log₁₀ drop under 1/f noise − log₁₀ drop under white noise"
    source = "onnx_ood, and so is its sign"
    needs = ("pairs", "smooth")

    @override
    def numbers(self, evidence: Features) -> Float:
        assert evidence.drops is not None
        assert evidence.smooth_drops is not None
        return np.log10(evidence.smooth_drops) - np.log10(evidence.drops)
