"""How little activations turn when the input is nudged."""

from __future__ import annotations

import numpy as np
from typing_extensions import override

from onnx_ood._types import Float
from onnx_ood.detectors.features import Features
from onnx_ood.detectors.per_probe import PerProbeDetector


class CosineDrop(PerProbeDetector):
    """The less an activation turns, the stranger; often the other way round, above all for smooth pictures."""

    name = "cosine_drop"
    formula = "−mean over probes of log₁₀ mean over nudges of (1 − cos(clean, nudged))"
    source = (
        "the claim of LessWrong, How to tell if your input is out of distribution given only model weights"
    )
    needs = ("pairs",)

    @override
    def numbers(self, evidence: Features) -> Float:
        assert evidence.drops is not None
        return -np.log10(evidence.drops)
