"""What a measurement gives back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onnx_ood import metrics

Float = NDArray[np.float64]
Int = NDArray[np.int64]


@dataclass(frozen=True)
class Measurement:
    """Pair statistics of N inputs, K nudged copies each, at P probes. Made by `measure`.

    Attributes:
        probes: Names of the P probes, in execution order.
        site: Name of the tensor that was nudged.
        provider: `"cuda"` or `"cpu"`: where the model really ran.
        aa: Squared norm ‖a‖² of the clean activation, float64 [N, K, P].
        ad: ⟨a, d⟩ with d = nudged − clean activation, float64 [N, K, P].
        dd: ‖d‖², float64 [N, K, P].
        flips: Units whose on/off state changed, int64 [N, K, P].
        active: Units that are on (> 0) in the clean activation, int64 [N, K, P].
        size: Units of each probe, int64 [P].
        site_aa: ‖x‖² of the clean site, float64 [N, K].
        site_ad: ⟨x, δ⟩ with the nudge δ as it was really added in the site's dtype, float64 [N, K].
        site_dd: ‖δ‖², float64 [N, K].
        outputs: The model's own outputs for the clean inputs, [N, ...] each, by name: those that are tensors. Where
            their shape differs from input to input (boxes of a detector), an object array of N arrays.
    """

    probes: tuple[str, ...]
    site: str
    provider: str
    aa: Float
    ad: Float
    dd: Float
    flips: Int
    active: Int
    size: Int
    site_aa: Float
    site_ad: Float
    site_dd: Float
    outputs: Mapping[str, NDArray[np.generic]]

    def cosine_drop(self) -> Float:
        """1 − cos(clean, nudged) at each probe, [N, K, P]."""
        return metrics.cosine_drop(self.aa, self.ad, self.dd)

    def angle(self) -> Float:
        """Angle between clean and nudged activation in radians, [N, K, P]."""
        return metrics.angle(self.aa, self.ad, self.dd)

    def site_angle(self) -> Float:
        """Angle between clean and nudged site in radians, [N, K]."""
        return metrics.angle(self.site_aa, self.site_ad, self.site_dd)

    def distortion(self) -> Float:
        """Angle at the probe over angle at the site, [N, K, P]; NaN where the site did not turn."""
        return metrics.distortion(self.angle(), self.site_angle()[:, :, np.newaxis])

    def flip_rate(self) -> Float:
        """Share of units that were switched on or off, [N, K, P]."""
        return metrics.flip_rate(self.flips, self.size)


def concatenate(parts: Sequence[Measurement]) -> Measurement:
    """Joins measurements of the same model, probes and copies along the inputs.

    Args:
        parts: At least one measurement.

    Returns:
        One measurement with N the sum of the parts' N.
    """
    first = parts[0]
    if len(parts) == 1:
        return first

    def joined(field: str) -> NDArray[np.generic]:
        return np.concatenate([getattr(part, field) for part in parts])

    fields = ("aa", "ad", "dd", "flips", "active", "site_aa", "site_ad", "site_dd")
    return Measurement(
        probes=first.probes,
        site=first.site,
        provider=first.provider,
        size=first.size,
        outputs={name: _joined_outputs([part.outputs[name] for part in parts]) for name in first.outputs},
        **{field: joined(field) for field in fields},  # type: ignore[arg-type]
    )


def _joined_outputs(arrays: Sequence[NDArray[np.generic]]) -> NDArray[np.generic]:
    if len({array.shape[1:] for array in arrays}) == 1:
        return np.concatenate(arrays)
    ragged = np.empty(sum(len(array) for array in arrays), dtype=object)
    ragged[:] = [row for array in arrays for row in array]
    return ragged
