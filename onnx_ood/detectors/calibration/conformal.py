"""Conformal p-values: probability that an input like the references is at least as unusual.

An input and the references are assumed to be *exchangeable*: all orders of them are equally likely, as for independent
draws from one source. Nothing is assumed about their distribution or about the quality of a detector.

Exact in finite samples, P(p ≤ α) ≤ α for each α and each number of references:

- `full_p_values`: the distance is learned from references and new input alike, so that all are treated equally. All n
  references calibrate: p can be as small as 1 / (n + 1).
- `two_sided_p_values`: the same for one number per input, folded at a median that includes the new input.
- `p_values`: the scorer is independent of the m references that calibrate it. Any scorer will do, but references that
  it learned from cannot calibrate: p is at least 1 / (m + 1).

Ties, including differences within rounding, raise p, so with ties P(p ≤ α) may be below α, never above. They are not
broken at random: the same inputs give the same p-values.

Not exact, and not offered: the rank of a new score among the scores of the references that the scorer was fitted to
(too many flags), or among their leave-one-out scores (cross-conformal prediction and jackknife+ guarantee 2α only).

The guarantee holds for one new input, on average over random reference sets. Inputs compared with the same references
are dependent: the share of in-distribution inputs flagged with one reference set varies around α with a standard
deviation of about √(α·(1 − α) / n). Of many in-distribution inputs a share of about α is flagged; for few false
discoveries among many inputs, flag by `discovery_threshold`.

Sources: V. Vovk, A. Gammerman and G. Shafer, Algorithmic Learning in a Random World, 2005; H. Papadopoulos et al., ECML
2002 (split); R. F. Barber et al., Annals of Statistics 49 (2021) (jackknife+); S. Bates et al., Annals of Statistics 51
(2023) (p-values that share references).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from onnx_ood._types import Float
from onnx_ood.detectors.models.gaussian import SHRINKAGE, Standardizer

# Equal inputs may get scores that differ in the last bits, because sums are taken in another order (at another place of
# a bag, or in a batch of another size). A difference below this share of the largest score counts as a tie, which can
# only raise a p-value.
_ROUNDING = 1e-9


def p_values(calibration: Float, scores: Float) -> Float:
    """Rank new scores: p = (1 + #{i: c_i ≥ s}) / (m + 1); exact if the scorer learned from none of the m.

    Args:
        calibration: Scores c of m in-distribution inputs that the scorer did not learn from, float64 [m]; higher = more
            out-of-distribution.
        scores: Scores s of new inputs, float64 [N].

    Returns:
        p-values, float64 [N], from 1 / (m + 1) to 1.

    Raises:
        ValueError: If there are no calibration scores, or a score is NaN.

    >>> p_values(np.array([1.0, 2.0, 3.0]), np.array([2.5, 9.0]))
    array([0.5 , 0.25])
    """
    if not len(calibration):
        raise ValueError("no calibration scores given; give at least one")
    if np.isnan(calibration).any() or np.isnan(scores).any():
        raise ValueError("a score is NaN and has no rank; leave such inputs out")
    room = _ROUNDING * np.abs(calibration[np.isfinite(calibration)]).max(initial=0)
    below = np.searchsorted(np.sort(calibration), scores - room, side="left")
    values: Float = (1 + len(calibration) - below) / (len(calibration) + 1)
    return values


def full_p_values(
    reference: Float,
    rows: Float,
    shrinkage: float = SHRINKAGE,
    *,
    scores: tuple[Float, Float] | None = None,
) -> Float:
    """Compute full-conformal p-values of the shrunk Mahalanobis distance (`ShrunkGaussian`): exact.

    Each new input and the n references form a bag; mean, spread and covariance are those of the bag; p is the share of
    the bag, the new input included, that is at least as far from the mean as the new input.

    With Z the standardised bag [n + 1, d], whose features have variance 1, the squared distances are the diagonal of
    Z·(a·ZᵀZ + s·I)⁻¹·Zᵀ = Z·Zᵀ·(a·ZZᵀ + s·I)⁻¹, a = (1 − s) / n (Woodbury): for each new input a d × d or an
    (n + 1) × (n + 1) matrix is inverted, whichever is smaller.

    Args:
        reference: Features of the references, float64 [n, d], n at least 1.
        rows: Features of the new inputs, float64 [N, d].
        shrinkage: s, above 0, at most 1. (At 0, with more features than references, all distances are equal.)
        scores: Scores of the references, [n], and of the new inputs, [N], by a scorer that learned from none of them.
            Inputs are then compared by the sum of squared distance and score, each in standard deviations of the bag.
            None for the distance alone.

    Returns:
        p-values, float64 [N], from 1 / (n + 1) to 1. An input's value does not depend on the other new inputs.

    Raises:
        ValueError: If there are no references, anything is not finite, or the shrinkage is out of range.
    """
    if not 0 < shrinkage <= 1:
        raise ValueError(f"shrinkage {shrinkage} is out of range; choose it above 0 and at most 1")
    if not len(reference):
        raise ValueError("no references given; give at least one")
    bag = np.concatenate([reference, reference[:1]], dtype=np.float64)
    values = np.empty(len(rows))
    for i, row in enumerate(rows):
        bag[-1] = row
        unusual = _squared_distances(bag, shrinkage)
        if scores is not None:
            unusual = _in_deviations(unusual) + _in_deviations(np.append(scores[0], scores[1][i]))
        values[i] = np.mean(unusual >= unusual[-1] - _ROUNDING * np.abs(unusual).max())
    return values


def two_sided_p_values(reference: Float, scores: Float) -> Float:
    """Compute full-conformal p-values of the distance of a score from the median: exact.

    The median is that of the n references *and* the new score. From the median of the references alone, these would be
    less distant than an input like them.

    Args:
        reference: Scores of the references, float64 [n], by a scorer that did not learn from them.
        scores: Scores of new inputs, float64 [N].

    Returns:
        p-values, float64 [N], from 1 / (n + 1) to 1.

    Raises:
        ValueError: If there are no references, or a score is not finite.

    >>> two_sided_p_values(np.arange(1.0, 10.0), np.array([0.0, 5.0, 11.0]))
    array([0.2, 1. , 0.1])
    """
    if not len(reference):
        raise ValueError("no scores of references given; give at least one")
    if not (np.isfinite(reference).all() and np.isfinite(scores).all()):
        raise ValueError("a score is not finite; leave such inputs out")
    bags = np.concatenate(
        [np.broadcast_to(reference, (len(scores), len(reference))), scores[:, None]], axis=1
    )
    distances = np.abs(bags - np.median(bags, axis=1, keepdims=True))
    room = _ROUNDING * np.abs(bags).max(axis=1, keepdims=True)
    values: Float = (distances >= distances[:, -1:] - room).mean(axis=1)
    return values


def flag(values: Float, fpr: float, references: int) -> NDArray[np.bool_]:
    """Flag new inputs so that an in-distribution one is flagged with a probability of at most `fpr`.

    Args:
        values: p-values, float64 [N].
        fpr: False-positive rate, above 0 and below 1.
        references: Number of references that the p-values were ranked among: n, or m if they were split.

    Returns:
        True where p ≤ fpr, bool [N].

    Raises:
        ValueError: If the rate is out of range, or no p-value can be that small: fewer than 1 / fpr − 1 references.

    >>> flag(np.array([0.05, 0.5]), 0.05, 19)
    array([ True, False])
    """
    if not 0 < fpr < 1:
        raise ValueError(f"false-positive rate {fpr} is out of range; choose it above 0 and below 1")
    smallest = 1 / (references + 1)
    if smallest > fpr:
        raise ValueError(
            f"with {references} references the smallest p-value is {smallest:.3g}, above the false-positive rate "
            f"{fpr:g}; give more references or raise the rate"
        )
    flagged: NDArray[np.bool_] = values <= fpr
    return flagged


def discovery_threshold(counts: Mapping[float, int], fdr: float) -> float:
    """Return the largest p-value that the Benjamini-Hochberg procedure rejects.

    Of m inputs those with p ≤ max{v : v ≤ fdr·#{p ≤ v} / m} are flagged. Then the expected share of in-distribution
    inputs among the flagged ones is at most fdr·m₀ / m, with m₀ in-distribution inputs of m, for p-values that are
    independent or positively dependent (PRDS). Those of `p_values` are, although they share their references (S. Bates
    et al., Annals of Statistics 51, 2023). For `full_p_values` and `two_sided_p_values` no such theorem is known.

    Source: Y. Benjamini and Y. Hochberg, Journal of the Royal Statistical Society B 57 (1995); Y. Benjamini and
    D. Yekutieli, Annals of Statistics 29 (2001) (PRDS).

    Args:
        counts: Number of inputs with each p-value. With n references there are at most n + 1 p-values, whatever the
            number of inputs.
        fdr: False-discovery rate, above 0 and below 1.

    Returns:
        The threshold; 0 if no input is flagged.

    >>> discovery_threshold({0.01: 1, 0.04: 1, 0.5: 2}, 0.1)
    0.04
    """
    total, reached, threshold = sum(counts.values()), 0, 0.0
    for value, count in sorted(counts.items()):
        reached += count
        if value * total <= fdr * reached * (1 + _ROUNDING):
            threshold = value
    return threshold


def min_discoveries(smallest: float, inputs: int, fdr: float) -> int:
    """Return how many inputs must have the smallest p-value before any is flagged at a false-discovery rate.

    Args:
        smallest: Smallest possible p-value, 1 / (n + 1) with n references.
        inputs: Number m of inputs.
        fdr: False-discovery rate.

    Returns:
        The least k with smallest ≤ fdr·k / m; above `inputs` if no number suffices.

    >>> min_discoveries(1 / 33, 100, 0.1), min_discoveries(1 / 1000, 100, 0.1)
    (31, 1)
    """
    return math.ceil(smallest * inputs / fdr * (1 - _ROUNDING))


def _in_deviations(values: Float) -> Float:
    """Return a bag's values in its own standard deviations; all 0 if they do not differ."""
    spread = values.std(ddof=1) if np.ptp(values) > 0 else np.inf
    deviations: Float = (values - values.mean()) / spread
    return deviations


def _squared_distances(bag: Float, shrinkage: float) -> Float:
    """Return squared distances of a bag's rows from its mean, [n + 1]; all 0 if no feature differs."""
    standardised = Standardizer.of(bag).apply(bag)
    count, features = standardised.shape
    # Standardised features have variance 1, hence t = 1.
    spread = (1 - shrinkage) / (count - 1)
    squares: Float
    if features < count:
        inverse = np.linalg.inv(spread * (standardised.T @ standardised) + shrinkage * np.eye(features))
        squares = ((standardised @ inverse) * standardised).sum(axis=1)
    else:
        products = standardised @ standardised.T
        inverse = np.linalg.inv(spread * products + shrinkage * np.eye(count))
        squares = (products * inverse).sum(axis=1)
    return squares
