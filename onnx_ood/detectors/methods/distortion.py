"""How little a layer magnifies a turn of its input."""

from __future__ import annotations

import numpy as np
from typing_extensions import override

from onnx_ood._types import Float
from onnx_ood.detectors.features import Features
from onnx_ood.detectors.per_probe import PerProbeDetector


class Distortion(PerProbeDetector):
    """The published ratio of angles; a fixed nudge turns a faint input further, which the ratio takes out."""

    name = "distortion"
    formula = "−mean over probes of log₁₀ mean over nudges of (angle at the probe / angle at the input)"
    source = (
        "LessWrong, How to tell if your input is out of distribution given only model weights (at one probe)"
    )
    needs = ("pairs",)

    @override
    def numbers(self, evidence: Features) -> Float:
        assert evidence.distortions is not None
        return -np.log10(evidence.distortions)
