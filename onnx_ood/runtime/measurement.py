"""What a measurement gives back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from onnx_ood import metrics
from onnx_ood._types import Float
from onnx_ood.runtime.statistics import RowStatistics

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
        outputs: The model's own outputs for the clean inputs, [N, ...] each, by name: those that are tensors and
            can be told apart by input. Where their shape differs from input to input (boxes of a detector), an object
            array of N arrays.
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


class Part(NamedTuple):
    """What one run of R inputs, and the runs of their K nudged copies, left.

    Attributes:
        at_site: Pair statistics at the site, [R, K, 1].
        at_probes: Pair statistics at the P probes, [R, K, P].
        outputs: The inputs' shares of each output, [R, *share].
    """

    at_site: RowStatistics
    at_probes: RowStatistics
    outputs: Mapping[str, NDArray[Any]]


def assemble(
    parts: Sequence[Part],
    count: int,
    *,
    probes: tuple[str, ...],
    size: Sequence[int],
    site: str,
    provider: str,
) -> Measurement:
    """Joins the runs of one measurement along the inputs.

    Args:
        parts: At least one.
        count: N; what is beyond was there to fill up the last run.
        probes: Names of the P probes.
        size: Units of each.
        site: Name of the site.
        provider: Where the model ran.

    Returns:
        The measurement.
    """

    def joined(of: str, field: str) -> NDArray[Any]:
        return np.concatenate([getattr(getattr(part, of), field) for part in parts])[:count]

    return Measurement(
        probes=probes,
        site=site,
        provider=provider,
        size=np.array(size, dtype=np.int64),
        outputs={
            name: join_outputs([row for part in parts for row in part.outputs[name]][:count])
            for name in parts[0].outputs
        },
        site_aa=joined("at_site", "aa")[:, :, 0],
        site_ad=joined("at_site", "ad")[:, :, 0],
        site_dd=joined("at_site", "dd")[:, :, 0],
        aa=joined("at_probes", "aa"),
        ad=joined("at_probes", "ad"),
        dd=joined("at_probes", "dd"),
        flips=joined("at_probes", "flips"),
        active=joined("at_probes", "active"),
    )


def join_outputs(shares: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Puts the shares of an output together.

    Args:
        shares: One for each of N inputs.

    Returns:
        [N, ...]; an object array of N arrays where they differ in shape.
    """
    if len({share.shape for share in shares}) == 1:
        # One row for each input is the batch axis; several belong to the input.
        batched = shares[0].ndim > 0 and len(shares[0]) == 1
        return np.concatenate(shares) if batched else np.stack(shares)
    ragged = np.empty(len(shares), dtype=object)
    ragged[:] = shares
    return ragged
