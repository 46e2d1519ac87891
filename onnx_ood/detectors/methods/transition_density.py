"""Density of activation-pattern transitions on a small ring around the input."""

from __future__ import annotations

from typing_extensions import override

from onnx_ood._types import Float
from onnx_ood.detectors.features import Features
from onnx_ood.detectors.per_probe import PerProbeDetector
from onnx_ood.detectors.registry import register_detector
from onnx_ood.detectors.requirements import required


@register_detector
class TransitionDensity(PerProbeDetector):
    """Transitions per unit: linear regions are larger around training points than elsewhere."""

    name = "transition_density"
    formula = (
        "mean over probes of Σ over a ring of 8 points of the share of units that switch from one to the next"
    )
    source = "R. Novak et al., ICLR 2018; the ring of nudges is onnx_ood's"
    needs = ("ring",)
    order = 200

    @override
    def values(self, features: Features) -> Float:
        return required(features.transitions, "transitions")
