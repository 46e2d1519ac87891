"""Cosine drop, angle and distortion from pair statistics, in float64 without cancellation."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from onnx_ood._types import Float


def _float64(values: ArrayLike) -> Float:
    return np.asarray(values, dtype=np.float64)


def squared_norm_of_nudged(aa: ArrayLike, ad: ArrayLike, dd: ArrayLike) -> Float:
    """‖b‖² of the nudged activation b = a + d.

    Args:
        aa: ‖a‖², any shape.
        ad: ⟨a, d⟩, broadcastable to `aa`.
        dd: ‖d‖², broadcastable to `aa`.

    Returns:
        aa + 2·ad + dd, not below 0, float64.

    >>> squared_norm_of_nudged(25, -7, 2).item()  # (3, 4) − (1, 1) = (2, 3)
    13.0
    """
    with np.errstate(invalid="ignore", over="ignore"):
        return np.maximum(_float64(aa) + 2 * _float64(ad) + _float64(dd), 0.0)


def cosine_drop(aa: ArrayLike, ad: ArrayLike, dd: ArrayLike) -> Float:
    """1 − cos(a, b) for b = a + d, exact also where a and b are nearly parallel.

    With the difference of norms s = ‖b‖ − ‖a‖ = (2·ad + dd) / (‖a‖ + ‖b‖), the law of cosines
    ‖d‖² = ‖a‖² + ‖b‖² − 2‖a‖‖b‖cos gives 1 − cos = (dd − s²) / (2‖a‖‖b‖), in which nothing of the size of ‖a‖² is
    subtracted from anything.

    Args:
        aa: ‖a‖², any shape.
        ad: ⟨a, d⟩, broadcastable to `aa`.
        dd: ‖d‖², broadcastable to `aa`.

    Returns:
        The drop, in [0, 2], float64. 0 where a and b are equal, two zero vectors included; 1 (a cosine of 0, the
        convention of `torch.nn.functional.cosine_similarity`) where exactly one of them is zero; NaN where a statistic
        is not finite.

    >>> cosine_drop(1.0, [-1.0, 0.0], [2.0, 1e-16])  # at right angles; turned by 1e-8
    array([1.e+00, 5.e-17])
    """
    aa, ad, dd = np.broadcast_arrays(_float64(aa), _float64(ad), _float64(dd))
    norm_a = np.sqrt(aa)
    norm_b = np.sqrt(squared_norm_of_nudged(aa, ad, dd))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        shift = (2 * ad + dd) / (norm_a + norm_b)
        drop = (dd - shift * shift) / (2 * norm_a * norm_b)
    drop = np.where((norm_a == 0) | (norm_b == 0), 1.0, np.clip(drop, 0.0, 2.0))
    drop = np.where(dd == 0, 0.0, drop)
    return np.where(np.isfinite(aa) & np.isfinite(ad) & np.isfinite(dd), drop, np.nan)


def angle(aa: ArrayLike, ad: ArrayLike, dd: ArrayLike) -> Float:
    """Angle between a and b = a + d.

    Kahan's 2·atan2(‖u − v‖, ‖u + v‖) of the unit vectors u and v, with ‖u − v‖² = 2·drop and ‖u + v‖² = 4 − 2·drop
    (W. Kahan, "How Futile are Mindless Assessments of Roundoff in Floating-Point Computation?", 2006, §12).

    Args:
        aa: ‖a‖², any shape.
        ad: ⟨a, d⟩, broadcastable to `aa`.
        dd: ‖d‖², broadcastable to `aa`.

    Returns:
        The angle in radians, in [0, π], float64; the special cases are those of `cosine_drop`.

    >>> angle(1.0, -1.0, 2.0).round(4).item()
    1.5708
    """
    drop = cosine_drop(aa, ad, dd)
    return 2.0 * np.arctan2(np.sqrt(drop), np.sqrt(2.0 - drop))


def distortion(angle_at_probe: ArrayLike, angle_at_site: ArrayLike) -> Float:
    """Ratio of the angle at the probe to the angle at the site.

    Args:
        angle_at_probe: Angle at the probe, radians, any shape.
        angle_at_site: Angle at the site, radians, broadcastable to it.

    Returns:
        float64; NaN where the angle at the site is 0.

    >>> distortion(0.2, [0.1, 0.0])
    array([ 2., nan])
    """
    at_site = _float64(angle_at_site)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(at_site > 0, _float64(angle_at_probe) / at_site, np.nan)
