"""What was measured at the copies of inputs, and the few numbers an input that it is reduced to."""

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
        distortion: Angle at the probe over angle at the site, [N, k, P].
        flip_rate: Share of units that were switched on or off, [N, k, P].
    """

    drop: Float
    distortion: Float
    flip_rate: Float

    @staticmethod
    def of(measured: Measurement) -> PerturbedBatches:
        """What a measurement holds."""
        values = (measured.cosine_drop(), measured.distortion(), measured.flip_rate())
        # How they lie in memory decides in which order copies are summed up: it must not depend on how they came.
        return PerturbedBatches(*map(np.ascontiguousarray, values))

    def at(self, rows: NDArray[np.bool_]) -> PerturbedBatches:
        """Those inputs for which `rows` is true."""
        return PerturbedBatches(*(getattr(self, field.name)[rows] for field in fields(self)))

    def with_more(self, more: PerturbedBatches) -> PerturbedBatches:
        """The same inputs with further copies behind those they have."""
        return PerturbedBatches(
            *(
                np.concatenate([getattr(self, field.name), getattr(more, field.name)], axis=1)
                for field in fields(self)
            )
        )


@dataclass(frozen=True)
class PerturbationStats:
    """A few numbers for each of N inputs; means over its copies.

    Attributes:
        copies: Nudged copies, [N].
        forwards: Runs of the model, those of the clean input counted, [N].
        drop: Cosine drop, [N, P]; not finite where that of a copy isn't.
        drop_error: Its standard error, [N, P]; NaN for one copy.
        distortion: Angle at the probe over angle at the site, [N, P].
        flip_rate: Share of units that were switched on or off, [N, P].
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
        """Reduces inputs with as many copies each.

        Args:
            measured: N inputs with k copies.
            clean_runs: How often each clean input was run.
            scale: What drops are multiplied with at each probe, [P]; None for nothing.
        """
        count, copies, probes = measured.drop.shape
        factor = np.ones(probes) if scale is None else scale
        # What isn't finite is told by name when it is tallied.
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
        """Puts inputs that were reduced apart into one order.

        Args:
            parts: At least one.
            rows: For each part the places of its inputs; together 0 to N − 1.
        """
        order = np.argsort(np.concatenate(rows))
        return PerturbationStats(
            *(
                np.concatenate([getattr(part, field.name) for part in parts])[order]
                for field in fields(PerturbationStats)
            )
        )
