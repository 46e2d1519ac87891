"""Checks of what detectors return: plug-ins are code of others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from onnx_ood._types import Float
from onnx_ood.detectors.base import Detector, FittedDetector
from onnx_ood.detectors.features import Features, ModelInfo
from onnx_ood.detectors.terms import CombinedDetector, Term, TermValues
from onnx_ood.exceptions import DetectorError, OnnxOodError


def fit_detector(detector: Detector, info: ModelInfo, reference: Features | None) -> FittedDetector:
    """Fit a detector whose scores are checked.

    Args:
        detector: The detector.
        info: The model.
        reference: Features of references, or None.

    Returns:
        The fitted detector. It gets features that it cannot change, and raises `DetectorError` if its scores are not
        one finite number per input.

    Raises:
        ValueError: If nothing can be learned from the references.
        DetectorError: If a plug-in fails.
    """
    with _named(detector, passing=(ValueError,)):
        scorer = detector.fit(info, None if reference is None else reference.read_only())
    return _CheckedDetector(detector, scorer)


def combination(fitted: FittedDetector) -> CombinedDetector | None:
    """Return the terms of a detector that `fit_detector` fitted, checked like its scores; None without terms.

    Args:
        fitted: The fitted detector.
    """
    if isinstance(fitted, _CheckedDetector) and isinstance(fitted.scorer, CombinedDetector):
        return _CheckedCombination(fitted.detector, fitted.scorer)
    return None


def why_not(detector: Detector, info: ModelInfo) -> str | None:
    """Return why a detector does not apply to a model, or None.

    Args:
        detector: The detector.
        info: The model.

    Raises:
        DetectorError: If a plug-in fails.
    """
    with _named(detector):
        return detector.why_not(info)


def why_not_references(detector: Detector, reference: Features) -> str | None:
    """Return why a detector cannot learn from references, or None.

    Args:
        detector: A detector that applies to the model.
        reference: Features of the references.

    Raises:
        DetectorError: If a plug-in fails.
    """
    with _named(detector):
        return detector.why_not_references(reference.read_only())


@dataclass(frozen=True)
class _CheckedDetector:
    detector: Detector
    scorer: FittedDetector

    def __call__(self, features: Features) -> Float:
        with _named(self.detector):
            scores: Any = self.scorer(features.read_only())
        expected = f"one finite number for each of {len(features)} inputs"
        if not isinstance(scores, np.ndarray):
            raise self._wrong(expected, type(scores).__name__)
        if scores.shape != (len(features),):
            raise self._wrong(expected, f"an array of shape {list(scores.shape)}")
        if not (np.issubdtype(scores.dtype, np.floating) or np.issubdtype(scores.dtype, np.integer)):
            raise self._wrong(expected, f"an array of {scores.dtype}")
        if not np.isfinite(scores).all():
            raise self._wrong(expected, f"{scores[~np.isfinite(scores)][0]}")
        checked: Float = scores.astype(np.float64, copy=False)
        return checked

    def _wrong(self, expected: str, found: str) -> DetectorError:
        return _wrong(self.detector, expected, found)


@dataclass(frozen=True)
class _CheckedCombination:
    detector: Detector
    scorer: CombinedDetector

    @property
    def terms(self) -> tuple[Term, ...]:
        return self.scorer.terms

    @property
    def left_out(self) -> Mapping[str, str]:
        return self.scorer.left_out

    @property
    def held_out(self) -> Float | None:
        return self.scorer.held_out

    def explain(self, features: Features) -> TermValues:
        with _named(self.detector):
            found = self.scorer.explain(features.read_only())
        shape = (len(features), len(self.terms))
        arrays = [one for one in (found.values, found.layers, found.alterations) if one is not None]
        if any(one.shape != shape for one in arrays):
            raise _wrong(
                self.detector,
                f"values, layers and alterations of terms of shape {list(shape)}",
                " and ".join(str(list(one.shape)) for one in arrays),
            )
        if not np.isfinite(found.values).all():
            raise _wrong(
                self.detector, "finite values of terms", f"{found.values[~np.isfinite(found.values)][0]}"
            )
        return found


def _wrong(detector: Detector, expected: str, found: str) -> DetectorError:
    return DetectorError(f"detector {detector.name}: expected {expected}, found {found}")


@contextmanager
def _named(detector: Detector, passing: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Name the plug-in that fails; a failure of a detector of this package is a bug and keeps its type."""
    try:
        yield
    except Exception as error:
        own = type(detector).__module__.startswith("onnx_ood.")
        if own or isinstance(error, (OnnxOodError, *passing)):
            raise
        raise DetectorError(f"detector {detector.name} failed: {type(error).__name__}: {error}") from error
