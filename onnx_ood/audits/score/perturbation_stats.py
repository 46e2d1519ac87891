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
        comparable: Copies whose activations have the size of the input's, bool [N, k, P]; NaN in the rest of others.
    """

    drop: Float
    distortion: Float
    flip_rate: Float
    comparable: NDArray[np.bool_]

    @staticmethod
    def of(measured: Measurement) -> PerturbedBatches:
        """Take the values from a measurement."""
        # The memory layout determines the order of summation over copies, which must not depend on the source.
        return PerturbedBatches(
            np.ascontiguousarray(measured.cosine_drop()),
            np.ascontiguousarray(measured.distortion()),
            np.ascontiguousarray(measured.flip_rate()),
            measured.comparable,
        )

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
        drop: Cosine drop, [N, P]; not finite if that of any comparable copy is not, or no copy is comparable.
        drop_error: Its standard error, [N, P]; NaN for one copy.
        distortion: Angle at the probe divided by angle at the site, [N, P].
        flip_rate: Fraction of units that switched, [N, P].
        not_comparable: Copies whose activations differ in size from the input's, [N, P].
    """

    copies: Int
    forwards: Int
    drop: Float
    drop_error: Float
    distortion: Float
    flip_rate: Float
    not_comparable: Int

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
            drop, error = measured.drop.mean(axis=1), standard_error(measured.drop)
            distortion, flip_rate = measured.distortion.mean(axis=1), measured.flip_rate.mean(axis=1)
            for i, p in np.argwhere(~measured.comparable.all(axis=1)):
                kept = measured.comparable[i, :, p]
                if kept.any():
                    drop[i, p] = measured.drop[i, kept, p].mean()
                    error[i, p] = standard_error(measured.drop[i : i + 1, kept, p : p + 1])[0, 0]
                    distortion[i, p] = measured.distortion[i, kept, p].mean()
                    flip_rate[i, p] = measured.flip_rate[i, kept, p].mean()
            return PerturbationStats(
                np.full(count, copies),
                np.full(count, copies + clean_runs),
                drop * factor,
                error * factor,
                distortion,
                flip_rate,
                (~measured.comparable).sum(axis=1),
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
