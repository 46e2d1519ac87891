"""How densely units switch on a small ring round the input."""

from __future__ import annotations

from typing_extensions import override

from onnx_ood._types import Float
from onnx_ood.detectors.features import Features
from onnx_ood.detectors.per_probe import PerProbeDetector


class TransitionDensity(PerProbeDetector):
    """Linear regions are larger round training points than elsewhere."""

    name = "transition_density"
    formula = (
        "mean over probes of Σ over a ring of 8 points of the share of units that switch from one to the next"
    )
    source = "R. Novak et al., ICLR 2018; the ring of nudges is onnx_ood's"
    needs = ("ring",)

    @override
    def numbers(self, evidence: Features) -> Float:
        assert evidence.transitions is not None
        return evidence.transitions
