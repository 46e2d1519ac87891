"""Share of units that a perturbation of the input switches."""

from __future__ import annotations

from typing_extensions import override

from onnx_ood._types import Float
from onnx_ood.detectors.features import Features
from onnx_ood.detectors.per_probe import PerProbeDetector
from onnx_ood.detectors.registry import register_detector
from onnx_ood.detectors.requirements import required


@register_detector
class FlipRate(PerProbeDetector):
    """Mean flip rate: the smaller the linear regions, the more of them a nudge leaves."""

    name = "flip_rate"
    formula = "mean over probes and nudges of the share of units with [clean > 0] ≠ [nudged > 0]"
    source = "after R. Novak et al., ICLR 2018: transitions are fewest at training points"
    needs = ("pairs",)
    order = 190

    @override
    def values(self, features: Features) -> Float:
        return required(features.flips, "flip rates")
