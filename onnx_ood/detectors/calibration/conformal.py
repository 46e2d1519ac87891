"""Conformal p-values: how rarely an input like the references is as strange as this one.

What is assumed is that an input and the references are *exchangeable*: any order of them is as likely as any other, as
for independent draws from one source. Nothing is assumed of their distribution, nor that a detector is any good.

Exact in finite samples, P(p ≤ α) ≤ α for each α and each number of references, are

- `full_p_values`: the distance is learnt from references and new input alike, so that every one of them was treated in
  the same way. All n references calibrate: p can be as small as 1 / (n + 1).
- `two_sided_p_values`: the same for one number an input, folded at a median that the new input takes part in.
- `p_values`: the scorer knows nothing of the m references that calibrate it. Any scorer will do, but references that
  it learnt from can't calibrate: p is at least 1 / (m + 1).

Ties, and what differs by rounding, raise p, so that with ties P(p ≤ α) may be below α, never above. They are not broken
at random: the same inputs give the same p-values.

Not exact, and not offered: ranking a new score among the scores of the references that the scorer was fitted to (too
many flags), and among their leave-one-out scores (cross-conformal prediction and jackknife+ guarantee 2α only).

The guarantee holds for one new input, on average over draws of references. Inputs that are compared with the same
references share their luck: the share of good inputs that one set of references flags scatters around α, by about
√(α·(1 − α) / n) in standard deviation. And of many good inputs a share of about α is flagged; for a list with few false
discoveries, p-values have to be adjusted for their number.

Sources: V. Vovk, A. Gammerman and G. Shafer, Algorithmic Learning in a Random World, 2005; H. Papadopoulos et al., ECML
2002 (split); R. F. Barber et al., Annals of Statistics 49 (2021) (jackknife+); S. Bates et al., Annals of Statistics 51
(2023) (p-values that share references).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from onnx_ood._types import Float
from onnx_ood.detectors.models.gaussian import SHRINKAGE, Standard

# Equal inputs may get scores that differ in the last bits, because sums are taken in another order (as they do in other
# places of a bag, or in a batch of another size). What is smaller by this share of the largest counts as a tie, which
# can only raise a p-value.
_ROUNDING = 1e-9


def p_values(calibration: Float, scores: Float) -> Float:
    """Ranks new scores: p = (1 + #{i: c_i ≥ s}) / (m + 1). Exact if the scorer learnt from none of the m.

    Args:
        calibration: Scores of m good inputs that the scorer didn't learn from, c, float64 [m]; higher = stranger.
        scores: Scores of new inputs, s, float64 [N].

    Returns:
        p-values, float64 [N], from 1 / (m + 1) to 1.

    Raises:
        ValueError: If there are no calibration scores, or a score is NaN, which has no rank.
    """
    if not len(calibration):
        raise ValueError("there are no scores to compare with")
    if np.isnan(calibration).any() or np.isnan(scores).any():
        raise ValueError("scores must not be NaN")
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
    """Full-conformal p-values of the shrunk Mahalanobis distance (`ShrunkGaussian`): exact.

    For each new input a bag is made of it and the n references; mean, spread and covariance are those of the bag; p is
    the share of the bag, the new input included, that is at least as far from its mean as the new input.

    With Z the standardised bag [n + 1, d], whose features have variance 1, the squared distances are the diagonal of
    Z·(a·ZᵀZ + s·I)⁻¹·Zᵀ = Z·Zᵀ·(a·ZZᵀ + s·I)⁻¹, a = (1 − s) / n (Woodbury): for each new input a d × d or an
    (n + 1) × (n + 1) matrix is inverted, whichever is smaller.

    Args:
        reference: Features of the references, float64 [n, d], n at least 1.
        rows: Features of the new inputs, float64 [N, d].
        shrinkage: s, above 0, 1 at most. (At 0, with more features than references, all are equally far.)
        scores: Scores of the references, [n], and of the new inputs, [N], by a scorer that learnt from none of them;
            how strange an input is, is then the sum of its squared distance and its score, each in standard deviations
            of the bag. None for the distance alone.

    Returns:
        p-values, float64 [N], from 1 / (n + 1) to 1. They don't depend on each other's inputs.

    Raises:
        ValueError: If there are no references, anything isn't finite, or the shrinkage is out of range.
    """
    if not 0 < shrinkage <= 1:
        raise ValueError(f"the shrinkage has to be above 0 and at most 1, not {shrinkage}")
    if not len(reference):
        raise ValueError("there are no references to compare with")
    bag = np.concatenate([reference, reference[:1]], dtype=np.float64)
    values = np.empty(len(rows))
    for i, row in enumerate(rows):
        bag[-1] = row
        strangeness = _squared_distances(bag, shrinkage)
        if scores is not None:
            others = np.append(scores[0], scores[1][i])
            strangeness = _in_deviations(strangeness) + _in_deviations(others)
        values[i] = np.mean(strangeness >= strangeness[-1] - _ROUNDING * np.abs(strangeness).max())
    return values


def two_sided_p_values(reference: Float, scores: Float) -> Float:
    """Full-conformal p-values of scores that are strange if they are unusually high or unusually low: exact.

    How strange a score is, is its distance from the median of the n references *and* the new score. From the median of
    the references alone, theirs would be smaller than that of an input just like them.

    Args:
        reference: Scores of the references, float64 [n], by a scorer that treats them as it treats new inputs: one
            that didn't learn from them.
        scores: Scores of new inputs, float64 [N].

    Returns:
        p-values, float64 [N], from 1 / (n + 1) to 1.

    Raises:
        ValueError: If there are no references, or a score isn't finite.
    """
    if not len(reference):
        raise ValueError("there are no scores to compare with")
    if not (np.isfinite(reference).all() and np.isfinite(scores).all()):
        raise ValueError("scores have to be finite")
    bags = np.concatenate(
        [np.broadcast_to(reference, (len(scores), len(reference))), scores[:, None]], axis=1
    )
    distances = np.abs(bags - np.median(bags, axis=1, keepdims=True))
    room = _ROUNDING * np.abs(bags).max(axis=1, keepdims=True)
    values: Float = (distances >= distances[:, -1:] - room).mean(axis=1)
    return values


def flag(values: Float, rate: float, calibrating: int) -> NDArray[np.bool_]:
    """Flags new inputs so that a good one is flagged with a probability of at most `rate`.

    Args:
        values: p-values, float64 [N].
        rate: False-positive rate, above 0 and below 1.
        calibrating: How many references the p-values were ranked among: n, or m where they were split.

    Returns:
        True where p ≤ rate, bool [N].

    Raises:
        ValueError: If no p-value could be that small, because there are too few references: fewer than 1 / rate − 1.
    """
    if not 0 < rate < 1:
        raise ValueError(f"a false-positive rate is above 0 and below 1, not {rate}")
    smallest = 1 / (calibrating + 1)
    if smallest > rate:
        raise ValueError(
            f"with {calibrating} references no p-value is below {smallest:.3g}, so none could be {rate:g}"
        )
    flagged: NDArray[np.bool_] = values <= rate
    return flagged


def _in_deviations(values: Float) -> Float:
    """Values of a bag in its own standard deviations; all 0 where they don't differ."""
    spread = values.std(ddof=1) if np.ptp(values) > 0 else np.inf
    deviations: Float = (values - values.mean()) / spread
    return deviations


def _squared_distances(bag: Float, shrinkage: float) -> Float:
    """Squared distances of a bag's rows from its own mean, [n + 1]; all 0 where no feature differs."""
    standardised = Standard.of(bag).apply(bag)
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
