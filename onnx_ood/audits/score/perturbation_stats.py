"""Measurements of the copies of inputs, and their statistics per input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from onnx_ood._types import Float
from onnx_ood.metrics.estimates import standard_error
from onnx_ood.runtime import Measurement

Int = NDArray[np.int64]


@dataclass(frozen=True)
class PerturbedBatches:
    """N inputs with k copies each, at P probes.

    Attributes:
        drop: Cosine drop, [N, k, P].
        distortion: Angle at the probe divided by angle at the site, [N, k, P].
        flip_rate: Fraction of units that switched, [N, k, P].
    """

    drop: Float
    distortion: Float
    flip_rate: Float

    @staticmethod
    def of(measured: Measurement) -> PerturbedBatches:
        """Take the values from a measurement."""
        values = (measured.cosine_drop(), measured.distortion(), measured.flip_rate())
        # The memory layout determines the order of summation over copies, which must not depend on the source.
        return PerturbedBatches(*map(np.ascontiguousarray, values))

    def at(self, rows: NDArray[np.bool_]) -> PerturbedBatches:
        """Select inputs by a mask."""
        return PerturbedBatches(*(getattr(self, field.name)[rows] for field in fields(self)))

    def with_more(self, more: PerturbedBatches) -> PerturbedBatches:
        """Append further copies of the same inputs."""
        return PerturbedBatches(
            *(
                np.concatenate([getattr(self, field.name), getattr(more, field.name)], axis=1)
                for field in fields(self)
            )
        )


@dataclass(frozen=True)
class PerturbationStats:
    """Statistics of N inputs; means over copies.

    Attributes:
        copies: Nudged copies, [N].
        forwards: Forward passes, including those of the clean input, [N].
        drop: Cosine drop, [N, P]; not finite if that of any copy is not.
        drop_error: Its standard error, [N, P]; NaN for one copy.
        distortion: Angle at the probe divided by angle at the site, [N, P].
        flip_rate: Fraction of units that switched, [N, P].
    """

    copies: Int
    forwards: Int
    drop: Float
    drop_error: Float
    distortion: Float
    flip_rate: Float

    @staticmethod
    def of(
        measured: PerturbedBatches, *, clean_runs: int = 1, scale: Float | None = None
    ) -> PerturbationStats:
        """Reduce inputs with equal numbers of copies.

        Args:
            measured: N inputs with k copies.
            clean_runs: Runs of each clean input.
            scale: Factor of the drops at each probe, [P]; None for 1.
        """
        count, copies, probes = measured.drop.shape
        factor = np.ones(probes) if scale is None else scale
        # `ResultWriter` reports values that are not finite.
        with np.errstate(invalid="ignore"):
            return PerturbationStats(
                np.full(count, copies),
                np.full(count, copies + clean_runs),
                measured.drop.mean(axis=1) * factor,
                standard_error(measured.drop) * factor,
                measured.distortion.mean(axis=1),
                measured.flip_rate.mean(axis=1),
            )

    @staticmethod
    def joined(parts: Sequence[PerturbationStats], rows: Sequence[Int]) -> PerturbationStats:
        """Join statistics of subsets of a batch.

        Args:
            parts: At least one.
            rows: For each part the indices of its inputs; together 0 to N − 1.
        """
        order = np.argsort(np.concatenate(rows))
        return PerturbationStats(
            *(
                np.concatenate([getattr(part, field.name) for part in parts])[order]
                for field in fields(PerturbationStats)
            )
        )
