"""Detection metrics as OpenOOD v1.5 computes them, of a sample or of its bootstrap resamples.

`openood/evaluators/metrics.py` of OpenOOD v1.5 (J. Zhang et al., arXiv:2306.09301). They differ from
`onnx_ood.metrics.detection` in two places: the threshold of FPR@95 is one that 95% of the *out-of-distribution* inputs
reach, and areas under precision and recall are trapezoidal. OpenOOD finds the threshold with scikit-learn's
`roc_curve`, which drops collinear points: with many equal scores its FPR@95 can be slightly larger.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from onnx_ood._types import Float
from onnx_ood.metrics.detection import nan_to_inf

_RECALL = 0.95
# Values of one block of resamples: a few arrays of this size fit into the cache of a core.
_BLOCK = 100_000


class OpenOodMetrics(NamedTuple):
    """Metrics of one sample, or of B resamples, float64 [B], in [0, 1].

    Attributes:
        auroc: Area under the ROC curve.
        fpr95: Share of in-distribution inputs at or above the highest threshold that at least 95% of the
            out-of-distribution inputs reach.
        aupr_in: Trapezoidal area under precision and recall, in-distribution inputs as positives.
        aupr_out: The same, out-of-distribution inputs as positives.
    """

    auroc: Float
    fpr95: Float
    aupr_in: Float
    aupr_out: Float


def openood_metrics(
    id: ArrayLike,  # noqa: A002 - the name of the set
    ood: ArrayLike,
    id_counts: ArrayLike | None = None,
    ood_counts: ArrayLike | None = None,
) -> OpenOodMetrics:
    """Compute the metrics of OpenOOD v1.5.

    Args:
        id: Scores of in-distribution inputs, [m], m ≥ 1; higher = more out-of-distribution.
        ood: Scores of out-of-distribution inputs, [n], n ≥ 1.
        id_counts: Number of draws of each in-distribution input in each resample, int [B, m]; None for the sample
            itself, B = 1.
        ood_counts: The same of the out-of-distribution inputs, int [B, n].

    Returns:
        The metrics of each resample.

    >>> found = openood_metrics(id=[0, 1, 2, 3], ood=[2, 4, 5, 6])
    >>> [round(float(values[0]), 4) for values in found]
    [0.9062, 0.5, 0.9125, 0.9271]
    """
    low, high = nan_to_inf(id), nan_to_inf(ood)
    draws = _counts(id_counts, len(low)), _counts(ood_counts, len(high))
    levels, place = np.unique(np.concatenate([low, high]), return_inverse=True)
    # The highest scores first, as thresholds descend.
    ranks = len(levels) - 1 - place.ravel()
    rows = max(1, _BLOCK // (len(low) + len(high)))
    blocks = [
        _of_levels(
            _per_level(draws[0][start : start + rows], ranks[: len(low)], len(levels)),
            _per_level(draws[1][start : start + rows], ranks[len(low) :], len(levels)),
        )
        for start in range(0, len(draws[0]), rows)
    ]
    return OpenOodMetrics(*(np.concatenate(values) for values in zip(*blocks, strict=True)))


def _counts(counts: ArrayLike | None, inputs: int) -> NDArray[np.int64]:
    return np.ones((1, inputs), np.int64) if counts is None else np.asarray(counts, np.int64)


def _per_level(counts: NDArray[np.int64], ranks: NDArray[np.intp], levels: int) -> NDArray[np.int64]:
    """Count the inputs at each level of the score, int [B, levels]."""
    order = np.argsort(ranks, kind="stable")
    sorted_ranks = ranks[order]
    starts = np.flatnonzero(np.diff(sorted_ranks, prepend=-1))
    found = np.zeros((len(counts), levels), np.int64)
    found[:, sorted_ranks[starts]] = np.add.reduceat(counts[:, order], starts, axis=1)
    return found


def _of_levels(id_at: NDArray[np.int64], ood_at: NDArray[np.int64]) -> OpenOodMetrics:
    """Metrics from the number of inputs at each level, the highest level first, int [B, levels]."""
    false, true = id_at.cumsum(axis=1), ood_at.cumsum(axis=1)
    ids, oods = false[:, -1:], true[:, -1:]
    above = false - id_at / 2
    reached = (true / oods >= _RECALL).argmax(axis=1)
    return OpenOodMetrics(
        auroc=1 - (ood_at * above).sum(axis=1) / (ids * oods)[:, 0],
        fpr95=np.take_along_axis(false, reached[:, None], axis=1)[:, 0] / ids[:, 0],
        aupr_in=_area(ids - false + id_at, oods - true + ood_at, descending=False),
        aupr_out=_area(true, false, descending=True),
    )


def _area(true: NDArray[np.int64], false: NDArray[np.int64], *, descending: bool) -> Float:
    """Trapezoidal area under precision and recall, [B].

    Args:
        true: Positives at or beyond each level, int [B, levels].
        false: Negatives at or beyond each level.
        descending: True if the first level is the first threshold.
    """
    if not descending:
        true, false = true[:, ::-1], false[:, ::-1]
    passed = true + false
    # A level without inputs of a resample adds nothing: it repeats the point before, or the first one.
    precision = np.where(passed > 0, true / np.maximum(passed, 1), 1.0)
    recall = true / true[:, -1:]
    before = np.concatenate([np.ones((len(true), 1)), precision[:, :-1]], axis=1)
    area: Float = (np.diff(recall, axis=1, prepend=0) * (precision + before) / 2).sum(axis=1)
    return area
