"""Results of a measurement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from onnx_ood import metrics
from onnx_ood._types import Array, Float
from onnx_ood.runtime.statistics import PairStatistics

Int = NDArray[np.int64]


@dataclass(frozen=True)
class Measurement:
    """Pair statistics of N inputs, K nudged copies each, at P probes. Made by `measure`.

    Attributes:
        probes: Names of the P probes, in execution order.
        site: Name of the nudged tensor.
        provider: `"cuda"` or `"cpu"`: where the model really ran.
        aa: Squared norm ‖a‖² of the clean activation, float64 [N, K, P].
        ad: ⟨a, d⟩ with d = nudged − clean activation, float64 [N, K, P].
        dd: ‖d‖², float64 [N, K, P].
        flips: Units whose sign pattern [a > 0] changed, int64 [N, K, P]; −1 if the pair is not comparable, for which
            `ad` and `dd` are NaN: the activation of the copy has another size, which depends on the data.
        active: Units with a > 0 in the clean activation, int64 [N, K, P].
        size: Units of each probe, int64 [P]; those of the first input if inputs differ.
        site_aa: ‖x‖² of the clean site, float64 [N, K].
        site_ad: ⟨x, δ⟩ with the nudge δ as added in the site's dtype, float64 [N, K].
        site_dd: ‖δ‖², float64 [N, K].
        outputs: The model's own outputs for the clean inputs, [N, ...] each, by name: those that are tensors and can be
            split by input. An object array of N arrays if their shape differs from input to input (boxes of an object
            detector).
        sizes: Units of each probe for each input, int64 [N, P]; None if all inputs have `size`.
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
    sizes: Int | None = None

    @property
    def comparable(self) -> NDArray[np.bool_]:
        """Pairs whose activations have one size, bool [N, K, P]."""
        return np.asarray(self.flips >= 0)

    def __repr__(self) -> str:
        inputs, copies, probes = self.aa.shape
        return f"Measurement({inputs=}, {copies=}, {probes=}, site={self.site!r}, provider={self.provider!r})"

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
        """Angle at the probe over angle at the site, [N, K, P]; NaN if the site's angle is 0."""
        return metrics.distortion(self.angle(), self.site_angle()[:, :, np.newaxis])

    def flip_rate(self) -> Float:
        """Fraction of units whose sign pattern changed, [N, K, P]; NaN if the pair is not comparable."""
        if self.sizes is None and self.comparable.all():
            return metrics.flip_rate(self.flips, self.size)
        sizes = np.broadcast_to(self.size, self.flips[:, 0].shape) if self.sizes is None else self.sizes
        rates = metrics.flip_rate(self.flips, np.maximum(sizes, 1)[:, np.newaxis])
        return np.where(self.comparable, rates, np.nan)


class RunStatistics(NamedTuple):
    """Statistics of one run of R inputs and the runs of their K nudged copies.

    Attributes:
        at_site: Pair statistics at the site, [R, K, 1].
        at_probes: Pair statistics at the P probes, [R, K, P].
        outputs: Samples of each output, [R, *sample].
        sizes: Units of the P probes, int64 [P]; None if they are those of the layout.
    """

    at_site: PairStatistics
    at_probes: PairStatistics
    outputs: Mapping[str, Array]
    sizes: Int | None = None


def assemble(
    runs: Sequence[RunStatistics],
    count: int,
    *,
    probes: tuple[str, ...],
    size: Sequence[int],
    site: str,
    provider: str,
) -> Measurement:
    """Join the runs of one measurement along the inputs.

    Args:
        runs: At least one.
        count: N; inputs beyond it filled up the last run.
        probes: Names of the P probes.
        size: Units of each.
        site: Name of the site.
        provider: Where the model ran.

    Returns:
        The measurement.
    """

    def joined(where: str, field: str) -> NDArray[Any]:
        return np.concatenate([getattr(getattr(run, where), field) for run in runs])[:count]

    sizes = None
    if any(run.sizes is not None for run in runs):
        each = [np.asarray(size) if run.sizes is None else run.sizes for run in runs]
        lengths = [len(run.at_probes.aa) for run in runs]
        sizes = np.repeat(each, lengths, axis=0)[:count]
    return Measurement(
        sizes=sizes,
        probes=probes,
        site=site,
        provider=provider,
        size=np.array(size, dtype=np.int64),
        outputs={
            name: join_outputs([sample for run in runs for sample in run.outputs[name]][:count])
            for name in runs[0].outputs
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


def join_outputs(samples: Sequence[Array]) -> Array:
    """Join the samples of an output.

    Args:
        samples: One for each of N inputs.

    Returns:
        [N, ...]; an object array of N arrays if they differ in shape.

    >>> join_outputs([np.zeros((1, 3)), np.zeros((1, 3))]).shape
    (2, 3)
    """
    if len({sample.shape for sample in samples}) == 1:
        # One row per input is the batch axis; several belong to the input.
        batched = samples[0].ndim > 0 and len(samples[0]) == 1
        return np.concatenate(samples) if batched else np.stack(samples)
    ragged = np.empty(len(samples), dtype=object)
    ragged[:] = samples
    return ragged
