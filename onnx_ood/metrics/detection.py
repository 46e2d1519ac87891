"""How well a score tells out-of-distribution inputs from ordinary ones, in the convention of OpenOOD.

J. Yang et al., "OpenOOD: Benchmarking Generalized Out-of-Distribution Detection", NeurIPS 2022. Scores are higher for
what is out-of-distribution. What is not a number is taken for the largest score: an input that a model gives NaN for is
none to rely on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from onnx_ood._types import Float


@dataclass(frozen=True, slots=True)
class Detection:
    """How well a score detects.

    Attributes:
        auroc: Area under the ROC curve: the probability that an out-of-distribution input scores above an ordinary one,
            ties counted half.
        aupr_in: Area under precision and recall with ordinary inputs as positives (average precision).
        aupr_out: The same with out-of-distribution inputs as positives.
        fpr95: Share of out-of-distribution inputs that pass where 95% of ordinary ones do.
    """

    auroc: float
    aupr_in: float
    aupr_out: float
    fpr95: float


def detection(ordinary: ArrayLike, strange: ArrayLike) -> Detection:
    """Computes all figures.

    Args:
        ordinary: Scores of ordinary inputs, [m], m ≥ 1.
        strange: Scores of out-of-distribution inputs, [n], n ≥ 1.

    Returns:
        The figures, in [0, 1].
    """
    low, high = nan_to_inf(ordinary), nan_to_inf(strange)
    passing = np.quantile(low, 0.95, method="higher")
    return Detection(
        auroc=float(placements(low, high).mean()),
        aupr_in=average_precision(-low, -high),
        aupr_out=average_precision(high, low),
        fpr95=float((high <= passing).mean()),
    )


def placements(ordinary: ArrayLike, strange: ArrayLike) -> Float:
    """For each out-of-distribution input the share of ordinary ones that score below it, [n]; ties count half."""
    low = np.sort(nan_to_inf(ordinary))
    high = nan_to_inf(strange)
    below = np.searchsorted(low, high, side="left")
    up_to = np.searchsorted(low, high, side="right")
    shares: Float = (below + up_to) / (2 * len(low))
    return shares


def average_precision(positives: ArrayLike, negatives: ArrayLike) -> float:
    """Σ (recallₖ − recallₖ₋₁)·precisionₖ over descending thresholds k; inputs of one score pass together.

    Args:
        positives: Scores that should be higher, [m].
        negatives: The others, [n].

    Returns:
        In (0, 1].
    """
    up, down = np.sort(np.asarray(positives, np.float64)), np.sort(np.asarray(negatives, np.float64))
    thresholds = np.unique(up)[::-1]
    true = len(up) - np.searchsorted(up, thresholds, side="left")
    false = len(down) - np.searchsorted(down, thresholds, side="left")
    gained = np.diff(true, prepend=0)
    return float((gained * true / (true + false)).sum() / len(up))


def nan_to_inf(scores: ArrayLike) -> Float:
    """Scores with the largest in place of what is not a number."""
    values = np.asarray(scores, np.float64)
    return np.where(np.isnan(values), np.inf, values)
