"""Detectors that are made of one number for each probe."""

from __future__ import annotations

from abc import abstractmethod
from typing import Self

import numpy as np
from typing_extensions import override

from onnx_ood._types import Float
from onnx_ood.detectors.base import Detector, FittedDetector
from onnx_ood.detectors.features import Features, ModelInfo
from onnx_ood.detectors.requirements import why_no_layers


class PerProbeDetector(Detector):
    """The mean of one number over all probes, or that of one probe, `NAME@PROBE`.

    Attributes:
        probe: Name of the tensor, one of the layers of the info; None for all of them.
    """

    two_sided = True

    def __init__(self, probe: str | None = None) -> None:
        self.probe = probe
        if probe is not None:
            self.name = f"{self.name}@{probe}"

    def at(self, probe: str) -> Self:
        """The same detector at one probe alone."""
        return type(self)(probe)

    @abstractmethod
    def numbers(self, evidence: Features) -> Float:
        """What it reads at each of P probes, [N, P]; higher = more out-of-distribution."""

    @override
    def why_not(self, info: ModelInfo) -> str | None:
        reason = why_no_layers(info)
        if reason is None and self.probe is not None and self.probe not in info.layers:
            reason = f"it has no probe {self.probe!r}; its probes are {', '.join(info.layers)}"
        return reason

    @override
    def fit(self, info: ModelInfo, reference: Features | None) -> FittedDetector:
        columns = slice(None) if self.probe is None else [info.layers.index(self.probe)]

        def score(evidence: Features) -> Float:
            mean: Float = np.mean(self.numbers(evidence)[:, columns], axis=1)
            return mean

        return score
