"""Base of detectors with one value per probe."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Self

import numpy as np
from typing_extensions import override

from onnx_ood._types import Float
from onnx_ood.detectors.base import Detector, FittedDetector
from onnx_ood.detectors.features import Features, ModelInfo
from onnx_ood.detectors.requirements import why_no_layers


class PerProbeDetector(Detector):
    """The mean of one value over all probes; `NAME@PROBE` is the value at one probe.

    Attributes:
        probe: Name of the tensor, one of the model's layers; None for all of them.
    """

    two_sided = True

    def __init__(self, probe: str | None = None) -> None:
        self.probe = probe
        if probe is not None:
            self.name = f"{self.name}@{probe}"

    def at(self, probe: str) -> Self:
        """Return the same detector at one probe."""
        return type(self)(probe)

    @abstractmethod
    def values(self, features: Features) -> Float:
        """Return the value at each of P probes, float64 [N, P]; higher = more out-of-distribution."""

    @override
    def why_not(self, info: ModelInfo) -> str | None:
        reason = why_no_layers(info)
        if reason is None and self.probe is not None and self.probe not in info.layers:
            reason = f"the model has no probe {self.probe!r}; choose from {', '.join(info.layers)}"
        return reason

    @override
    def fit(self, info: ModelInfo, reference: Features | None) -> FittedDetector:
        return _ProbeMean(self, slice(None) if self.probe is None else [info.layers.index(self.probe)])


@dataclass(frozen=True)
class _ProbeMean:
    detector: PerProbeDetector
    columns: slice | list[int]

    def __call__(self, features: Features) -> Float:
        mean: Float = np.mean(self.detector.values(features)[:, self.columns], axis=1)
        return mean
