"""How many units a nudge switches."""

from __future__ import annotations

from typing_extensions import override

from onnx_ood._types import Float
from onnx_ood.detectors.features import Features
from onnx_ood.detectors.per_probe import PerProbeDetector


class FlipRate(PerProbeDetector):
    """Where linear regions are small, a nudge leaves more of them."""

    name = "flip_rate"
    formula = "mean over probes and nudges of the share of units with [clean > 0] ≠ [nudged > 0]"
    source = "after R. Novak et al., ICLR 2018: transitions are fewest at training points"
    needs = ("pairs",)

    @override
    def numbers(self, evidence: Features) -> Float:
        assert evidence.flips is not None
        return evidence.flips
