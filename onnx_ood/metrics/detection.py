"""Detection metrics: separation of out-of-distribution from in-distribution inputs by a score.

Conventions of OpenOOD (J. Yang et al., "OpenOOD: Benchmarking Generalized Out-of-Distribution Detection", NeurIPS
2022); those of OpenOOD v1.5 are in `onnx_ood.metrics.openood`. Scores are higher for out-of-distribution inputs. NaN
counts as the largest score: an input with an output of NaN is not reliable.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike

from onnx_ood._types import Estimate, Float

# Two-sided 95% of the normal distribution.
_Z = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Detection:
    """Detection metrics of a score.

    Attributes:
        auroc: Area under the ROC curve: the probability that an out-of-distribution input scores above an
            in-distribution one, ties counted half.
        aupr_in: Area under precision and recall with in-distribution inputs as positives (average precision).
        aupr_out: The same with out-of-distribution inputs as positives.
        fpr95: Fraction of out-of-distribution inputs accepted at the threshold that accepts 95% of in-distribution
            inputs.
    """

    auroc: float
    aupr_in: float
    aupr_out: float
    fpr95: float


def detection(id: ArrayLike, ood: ArrayLike) -> Detection:  # noqa: A002
    """Compute all detection metrics.

    Args:
        id: Scores of in-distribution inputs, [m], m ≥ 1.
        ood: Scores of out-of-distribution inputs, [n], n ≥ 1.

    Returns:
        The metrics, in [0, 1].

    >>> detection(id=[0, 1, 2, 3], ood=[2, 4, 5, 6])
    Detection(auroc=0.90625, aupr_in=0.8875, aupr_out=0.9166666666666666, fpr95=0.25)
    """
    low, high = nan_to_inf(id), nan_to_inf(ood)
    accepted = np.quantile(low, 0.95, method="higher")
    return Detection(
        auroc=area(low, high),
        aupr_in=average_precision(-low, -high),
        aupr_out=average_precision(high, low),
        fpr95=float((high <= accepted).mean()),
    )


def auroc(id: ArrayLike, ood: ArrayLike) -> Estimate:  # noqa: A002
    """Area under the ROC curve with a 95% confidence interval.

    The interval is Newcombe's method 5, which keeps its width at 0 and 1, where bootstrap and DeLong collapse
    (R. G. Newcombe, "Confidence intervals for an effect size measure based on the Mann-Whitney statistic. Part 2",
    Statistics in Medicine 25, 2006).

    Args:
        id: Scores of in-distribution inputs, [m], m ≥ 1.
        ood: Scores of out-of-distribution inputs, which should be higher, [n], n ≥ 1.

    Returns:
        The area, in [0, 1], and its interval.

    >>> value, low, high = auroc(id=[0, 1, 2, 3], ood=[2, 4, 5, 6])
    >>> value, low < value < high
    (0.90625, True)
    """
    value, m, n = area(id, ood), np.size(id), np.size(ood)
    return Estimate(value, _bound(value, m, n, end=0.0), _bound(value, m, n, end=1.0))


def area(id: ArrayLike, ood: ArrayLike) -> float:  # noqa: A002
    """Area under the ROC curve: (#{id < ood} + #{id = ood}/2) / (m·n).

    Args:
        id: Scores of in-distribution inputs, [m], m ≥ 1.
        ood: Scores of out-of-distribution inputs, [n], n ≥ 1.

    >>> area(id=[0, 1, 2, 3], ood=[2, 4, 5, 6])
    0.90625
    """
    low, high = np.sort(nan_to_inf(id)), nan_to_inf(ood)
    # Counted in integers, so that equal rankings give equal areas, and chance exactly 0.5.
    below = np.searchsorted(low, high, side="left").sum() + np.searchsorted(low, high, side="right").sum()
    return float(below / (2 * len(low) * len(high)))


def placements(id: ArrayLike, ood: ArrayLike) -> Float:  # noqa: A002
    """Fraction of in-distribution inputs that score below each out-of-distribution input; ties count half.

    Args:
        id: Scores of in-distribution inputs, [m], m ≥ 1.
        ood: Scores of out-of-distribution inputs, [n].

    Returns:
        float64 [n], in [0, 1].

    >>> placements(id=[0, 1, 2, 3], ood=[2, 4])
    array([0.625, 1.   ])
    """
    low = np.sort(nan_to_inf(id))
    high = nan_to_inf(ood)
    below = np.searchsorted(low, high, side="left")
    up_to = np.searchsorted(low, high, side="right")
    fractions: Float = (below + up_to) / (2 * len(low))
    return fractions


def average_precision(positives: ArrayLike, negatives: ArrayLike) -> float:
    """Average precision Σ (recallₖ − recallₖ₋₁)·precisionₖ over descending thresholds k.

    Inputs with equal scores pass a threshold together.

    Args:
        positives: Scores that should be higher, [m].
        negatives: Scores that should be lower, [n].

    Returns:
        In (0, 1].

    >>> average_precision([3, 1], [2])
    0.8333333333333333
    """
    up, down = np.sort(np.asarray(positives, np.float64)), np.sort(np.asarray(negatives, np.float64))
    thresholds = np.unique(up)[::-1]
    true = len(up) - np.searchsorted(up, thresholds, side="left")
    false = len(down) - np.searchsorted(down, thresholds, side="left")
    gained = np.diff(true, prepend=0)
    return float((gained * true / (true + false)).sum() / len(up))


def nan_to_inf(scores: ArrayLike) -> Float:
    """Replace NaN by infinity, the largest score.

    >>> nan_to_inf([1.0, np.nan])
    array([ 1., inf])
    """
    values = np.asarray(scores, np.float64)
    return np.where(np.isnan(values), np.inf, values)


def roc(id: ArrayLike, ood: ArrayLike) -> tuple[Float, Float]:  # noqa: A002
    """ROC curve, as the corners of its lines; its area is the AUROC.

    Args:
        id: Scores of in-distribution inputs, [m], m ≥ 1.
        ood: Scores of out-of-distribution inputs, [n], n ≥ 1.

    Returns:
        False and true positive rates for descending thresholds, from (0, 0) to (1, 1), each
        [1 + number of distinct scores].

    >>> fpr, tpr = roc(id=[0, 1], ood=[1, 2])
    >>> fpr.tolist(), tpr.tolist()
    ([0.0, 0.0, 0.5, 1.0], [0.0, 0.5, 1.0, 1.0])
    """
    low, high = np.sort(nan_to_inf(id)), np.sort(nan_to_inf(ood))
    thresholds = np.unique(np.concatenate([low, high]))[::-1]
    fpr, tpr = (
        np.concatenate([[0.0], 1 - np.searchsorted(scores, thresholds, side="left") / len(scores)])
        for scores in (low, high)
    )
    return fpr, tpr


def mean_roc(curves: Sequence[tuple[Float, Float]]) -> tuple[Float, Float]:
    """Mean of ROC curves at each false positive rate; its area is the mean of their areas.

    Args:
        curves: Results of `roc` for the same in-distribution inputs.

    Returns:
        A curve of [2 k] corners: the start and the end of the vertical line at each of k false positive rates.

    >>> fpr, tpr = mean_roc([roc([0, 1], [2]), roc([0, 1], [0.5])])
    >>> fpr.tolist(), tpr.tolist()
    ([0.0, 0.0, 0.5, 0.5, 1.0, 1.0], [0.0, 0.5, 0.5, 1.0, 1.0, 1.0])
    """
    rates = np.unique(np.concatenate([fpr for fpr, _ in curves]))
    ends = np.mean([_ends(rates, *curve) for curve in curves], axis=0)
    return np.repeat(rates, 2), ends.T.ravel()


def _ends(rates: Float, fpr: Float, tpr: Float) -> Float:
    """Lower and upper end of a curve at each false positive rate, [2, k]; they differ where it is vertical."""
    corners, first, count = np.unique(fpr, return_index=True, return_counts=True)
    low, high = tpr[first], tpr[first + count - 1]
    right = np.searchsorted(corners, rates)
    left = np.maximum(right - 1, 0)
    width = np.where(right > left, corners[right] - corners[left], 1)
    between = high[left] + (rates - corners[left]) / width * (low[right] - high[left])
    at_corner = corners[right] == rates
    return np.where(at_corner, np.stack([low[right], high[right]]), between)


def _bound(value: float, m: int, n: int, end: float) -> float:
    """Find by bisection the θ between `value` and `end` exactly z standard errors from `value`."""
    inside, outside = value, end
    for _ in range(60):
        middle = (inside + outside) / 2
        if abs(value - middle) <= _Z * _standard_error(middle, m, n):
            inside = middle
        else:
            outside = middle
    return inside


def _standard_error(theta: float, m: int, n: int) -> float:
    pairs = (m + n) / 2 - 1
    spread = 1 + pairs * ((1 - theta) / (2 - theta) + theta / (1 + theta))
    return sqrt(max(theta * (1 - theta) * spread, 0.0) / (m * n))
