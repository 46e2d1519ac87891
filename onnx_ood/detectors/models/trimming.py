"""Trimming of references: the inputs that most of a set resemble."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from onnx_ood._types import Float
from onnx_ood.detectors.models.gaussian import SHRINKAGE

# To standard deviations of a normal distribution.
_MAD, _MEAN_DEVIATION = 1.4826, 1.2533
# A coordinate of an input counts as at most this far from the median, so that no coordinate decides alone.
_CLIP = 5.0
# Softness of the maximum of distance and uncertainty, in standard deviations.
_SOFTNESS = 2.5
KEPT = 0.5
"""Share of inputs that is kept: the largest that any share of unusual inputs below a half leaves clean."""
_MIN_CORE = 5
# Features come out of float32 networks: a spread below this share of their size is rounding.
_MIN_SPREAD = 1e-6


def outlyingness(rows: Float, uncertainty: Float | None = None) -> Float:
    """Return how far each input is from the half of the set that is most typical.

    1. Features are standardised by median and MAD (mean absolute deviation if more than half are equal).
    2. The core is the half with the smallest distances from the median, each coordinate clipped to ±5; with
       uncertainties, the half with the smallest sum of the ranks of both.
    3. Distances are Mahalanobis distances from the core with a shrunk covariance, those of its members without
       themselves: d²₋ᵢ = k²·d² / (1 − a·k·d²) with k = m / (m − 1), a = (1 − s) / (m − 1) for m members.
    4. Logarithms of distances, and uncertainties, in robust standard deviations from their medians, are combined by a
       soft maximum, 2.5·log Σ exp(z / 2.5).

    Sources: P. J. Rousseeuw and K. Van Driessen, Technometrics 41 (1999), and K. Boudt, P. J. Rousseeuw, S. Vanduffel
    and T. Verdonck, Statistics and Computing 30 (2020), for distances from a core. Their concentration steps are left
    out: with more features than inputs the core then moves towards clusters of unusual inputs.

    Args:
        rows: Features, float64 [n, d], finite, n at least 10.
        uncertainty: Uncertainty of the model about each input, float64 [n]; None without class scores.

    Returns:
        Robust z-scores, float64 [n]; higher = less like most. All 0 if nothing differs.

    Raises:
        ValueError: If there are fewer than 10 inputs or features are not finite.
    """
    if len(rows) < 2 * _MIN_CORE:
        raise ValueError(f"found {len(rows)} inputs; give at least {2 * _MIN_CORE}")
    if not np.isfinite(rows).all():
        raise ValueError("features are not finite; leave such inputs out")
    centred = _centred(rows)
    if not centred.shape[1]:
        return np.zeros(len(rows)) if uncertainty is None else _robust_z(uncertainty)
    far = (np.minimum(np.abs(centred), _CLIP) ** 2).sum(axis=1)
    ranks = _ranks(far) if uncertainty is None else _ranks(far) + _ranks(uncertainty)
    # Equal sums are in the order of the distances, not of the inputs.
    core = np.sort(np.lexsort((far, ranks))[: -(-len(rows) // 2)])
    values = [_robust_z(np.log(_left_out_distances(centred, core)))]
    if uncertainty is not None:
        values.append(_robust_z(uncertainty))
    soft: Float = np.logaddexp.reduce(np.stack(values) / _SOFTNESS, axis=0)
    return _robust_z(soft)


def typical_rows(rows: Float, uncertainty: Float | None = None) -> NDArray[np.intp]:
    """Return the indices of the half of the inputs with the smallest `outlyingness`, ascending.

    Args:
        rows: Features, float64 [n, d], finite, n at least 10.
        uncertainty: Uncertainty of the model about each input, float64 [n]; None without class scores.
    """
    order = np.argsort(outlyingness(rows, uncertainty), kind="stable")
    return np.sort(order[: -int(-KEPT * len(rows) // 1)])


def _centred(rows: Float) -> Float:
    """Return features that differ, in robust standard deviations from their medians."""
    rows = rows[:, rows.std(axis=0) > _MIN_SPREAD * np.sqrt((rows**2).mean(axis=0))]
    away = rows - np.median(rows, axis=0)
    absolute = np.abs(away)
    spread = _MAD * np.median(absolute, axis=0)
    fallback = _MEAN_DEVIATION * absolute.mean(axis=0)
    centred: Float = away / np.where(spread > _MIN_SPREAD * fallback, spread, fallback)
    return centred


def _left_out_distances(rows: Float, core: NDArray[np.intp]) -> Float:
    """Return distances from a core, float64 [n]; members of the core as if they were not in it."""
    members, features = len(core), rows.shape[1]
    away = rows - rows[core].mean(axis=0)
    roots = away[core] / np.sqrt(members - 1)
    outside = SHRINKAGE * float(np.sum(roots**2)) / features
    if not outside > 0:
        plain: Float = np.sqrt((away**2).sum(axis=1)) + np.finfo(np.float64).tiny
        return plain
    if members < features:
        inner = (1 - SHRINKAGE) * (roots @ roots.T) + outside * np.eye(members)
        products = away @ roots.T
        solved = np.linalg.solve(inner, products.T).T
        squares = ((away**2).sum(axis=1) - (1 - SHRINKAGE) * (solved * products).sum(axis=1)) / outside
    else:
        matrix = (1 - SHRINKAGE) * (roots.T @ roots) + outside * np.eye(features)
        squares = (away * np.linalg.solve(matrix, away.T).T).sum(axis=1)
    factor, share = members / (members - 1), (1 - SHRINKAGE) / (members - 1)
    # Below 1 by the shrinkage: a·k·d² < k·a·(m − 1) / (1 − s) would need no outside part.
    left = 1 - share * factor * squares[core]
    squares[core] = np.where(
        left > 0, factor**2 * squares[core] / np.maximum(left, _MIN_SPREAD), squares[core]
    )
    distances: Float = np.sqrt(np.maximum(squares, 0)) + np.finfo(np.float64).tiny
    return distances


def _robust_z(values: Float) -> Float:
    """Return (v − median) / (1.4826·MAD); all 0 if more than half are equal."""
    away = values - np.median(values)
    spread = _MAD * float(np.median(np.abs(away)))
    return away / spread if spread > 0 else np.zeros_like(values)


def _ranks(values: Float) -> NDArray[np.intp]:
    return np.argsort(np.argsort(values, kind="stable"), kind="stable")
