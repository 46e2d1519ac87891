"""Conformance checks for authors of detectors.

from onnx_ood.testing import check_detector

def test_my_detector():
    check_detector(MyDetector)
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, get_args

import numpy as np

from onnx_ood._types import Float
from onnx_ood.detectors import (
    AlteredReferences,
    Detector,
    Features,
    FittedDetector,
    LinearHead,
    ModelInfo,
    Need,
    RunningStatistics,
    activity_profile,
    channel_peaks,
    find_detector,
    list_detectors,
)
from onnx_ood.evidence.cache import PARTS
from onnx_ood.runtime import ChannelStatistics

_CLASSES, _FEATURES, _POSITIONS = 7, 40, 12
_LAYERS = ("first", "second", "third")
_REFERENCES, _INPUTS = 32, 20


def check_detector(detector: Detector | type[Detector], *, ranks_far_inputs: bool = True) -> None:
    """Check that a detector keeps the contract of `onnx_ood.Detector`, on synthetic models and features.

    - `name`, `formula`, `source`, `needs` and `order` are valid; no other detector is registered under the name.
    - `why_not` returns None or a clause for every model, and None for at least one of the synthetic models.
    - `fit` and the fitted detector read no parts but those in `needs`, with references and, unless
      `requires_reference`, without.
    - Scores are finite float64 [N]. They do not depend on the order of inputs, on the split into batches, or on
      chance.
    - Model, references and inputs are left unchanged.
    - Detector and fitted detector are picklable; a copy gives the same scores.
    - Inputs far from the in-distribution ones score higher than these.

    Args:
        detector: The detector, or its class.
        ranks_far_inputs: False to leave out the last check, for detectors of other shifts than the synthetic one (see
            `synthetic_features`).

    Raises:
        AssertionError: If a check fails; the message names it.

    >>> from onnx_ood import find_detector
    >>> check_detector(find_detector("energy"))
    """
    made = detector() if isinstance(detector, type) else detector
    _check_attributes(made)
    applicable = [info for info in _models() if _applies(made, info)]
    _require(
        bool(applicable),
        made,
        "why_not must return None for at least one model of onnx_ood.testing.synthetic_info",
    )
    for info in applicable:
        if made.uses_reference:
            _check_scores(
                made, info, _features(made, info, _REFERENCES, seed=1, reference=True), ranks_far_inputs
            )
        if not made.requires_reference(info):
            _check_scores(made, info, None, ranks_far_inputs)


def synthetic_info() -> ModelInfo:
    """Return facts about a synthetic classifier: a linear head, layers and BatchNormalization."""
    rng = np.random.default_rng(0)
    head = LinearHead(rng.normal(size=(_CLASSES, _FEATURES)), rng.normal(0, 0.1, _CLASSES), rectified=True)
    norm = RunningStatistics("norm", np.full(_CLASSES, 0.5), np.ones(_CLASSES), 1e-5)
    return ModelInfo(probabilities=False, head=head, pooled=True, norms=(norm,), layers=_LAYERS)


def synthetic_features(info: ModelInfo, count: int, seed: int, *, far: bool = False) -> Features:
    """Draw features of inputs of a synthetic model.

    Features of in-distribution inputs point in the direction of a class and are peaked. Features of far inputs are
    shorter, flat, and in random directions; their layers are more active and rotate less under nudges, while more
    units flip.

    Args:
        info: The model, as `synthetic_info` returns it, or with parts replaced by None, False or ().
        count: Number N of inputs.
        seed: Seed of the draw.
        far: True for inputs far from the in-distribution ones.

    Returns:
        All parts that the model has, except `altered`.
    """
    rng = np.random.default_rng(seed)
    found = Features(jacobian=np.exp(rng.normal(3 if far else 0, 0.5, count)))
    full = synthetic_info()
    assert full.head is not None
    pattern = np.maximum(full.head.weight[rng.integers(0, _CLASSES, count)], 0)
    if far:
        pattern = 0.2 * rng.permuted(pattern, axis=1)
    peaks = (
        rng.uniform(0.9, 1.1, (count, _FEATURES, _POSITIONS))
        if far
        else rng.exponential(1, (count, _FEATURES, _POSITIONS))
    )
    maps = pattern[:, :, np.newaxis] * peaks
    features = maps.mean(axis=2)
    if info.probabilities is not None:
        logits = features @ full.head.weight.T + full.head.bias
        if info.probabilities:
            logits = np.log(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True))
        found = replace(found, logits=logits)
    if info.head is not None:
        found = replace(found, features=features, without_rank_1=features / 2)
    if info.pooled:
        found = replace(found, pooled=_statistics(maps))
    if info.norms:
        values = rng.normal(3 if far else 0.5, 1, (count, _CLASSES, _POSITIONS))
        found = replace(found, norms=(_statistics(values),))
    if info.layers:
        shape = (count, len(info.layers))
        drops = np.exp(rng.normal(-8 if far else -5, 0.5, shape))
        found = replace(
            found,
            **_layers(rng, info, count, 1.0 if far else 0.0),
            drops=drops,
            flips=rng.uniform(0.2, 0.3, shape) if far else rng.uniform(0, 0.1, shape),
            distortions=np.exp(rng.normal(-2 if far else 0, 0.3, shape)),
            smooth_drops=drops * np.exp(rng.normal(3 if far else 0, 0.3, shape)),
            transitions=rng.uniform(1.5, 2, shape) if far else rng.uniform(0, 1, shape),
        )
    return found


def _models() -> Iterator[ModelInfo]:
    """Yield the synthetic model, and the same with parts missing."""
    full = synthetic_info()
    baseline = synthetic_features(full, 3, seed=9, far=True)
    yield full
    yield replace(full, baseline=Features(logits=baseline.logits, features=baseline.features))
    yield replace(full, probabilities=True, head=None, pooled=False, norms=())
    yield replace(full, head=None, pooled=False)
    yield replace(full, probabilities=None, head=None, pooled=False)
    yield replace(full, layers=(), norms=())
    yield ModelInfo(probabilities=None, head=None, pooled=False, norms=(), layers=())


def _check_attributes(detector: Detector) -> None:
    name = str(getattr(detector, "name", None))
    _require(
        re.fullmatch(r"[a-z][a-z0-9_]*(@.+)?", name) is not None,
        detector,
        f"name must be an identifier in snake_case, not {name!r}",
    )
    known = find_detector(name) if name.partition("@")[0] in list_detectors() else detector
    _require(type(known) is type(detector), detector, f"name {name!r} is taken by {type(known).__qualname__}")
    for field in ("formula", "source"):
        value = getattr(detector, field, None)
        _require(
            isinstance(value, str) and bool(value.strip()) and "\n" not in value,
            detector,
            f"{field} must be one line of text, not {value!r}",
        )
    needs = getattr(detector, "needs", None)
    _require(
        isinstance(needs, tuple)
        and bool(needs)
        and set(needs) <= set(get_args(Need))
        and len(set(needs)) == len(needs),
        detector,
        f"needs must be a tuple of distinct names out of {', '.join(get_args(Need))}, not {needs!r}",
    )
    _require(
        detector.uses_reference or "altered" not in detector.needs,
        detector,
        "needs has 'altered', which is measured on references: set uses_reference",
    )
    _require(isinstance(detector.order, int), detector, f"order must be an integer, not {detector.order!r}")
    with _failing(detector, "pickling the detector"):
        pickle.loads(pickle.dumps(detector))


def _applies(detector: Detector, info: ModelInfo) -> bool:
    with _failing(detector, "why_not"):
        reason = detector.why_not(info)
    _require(
        reason is None
        or (
            isinstance(reason, str)
            and bool(reason.strip())
            and "\n" not in reason
            and not reason.endswith(".")
        ),
        detector,
        f"why_not must return None or a clause on one line without a full stop, not {reason!r}",
    )
    return reason is None


def _check_scores(
    detector: Detector, info: ModelInfo, reference: Features | None, ranks_far_inputs: bool
) -> None:
    inputs = _features(detector, info, _INPUTS, seed=2)
    before = pickle.dumps((info, reference, inputs))
    with _failing(
        detector, f"fit {'with' if reference else 'without'} references, given the declared needs only,"
    ):
        fitted = detector.fit(info, reference)
    scores = _scores(detector, fitted, inputs)
    _require(
        pickle.dumps((info, reference, inputs)) == before,
        detector,
        "fit and scoring must not change the model, the references or the inputs",
    )

    def same(found: Float, expected: Float, what: str) -> None:
        _require(np.allclose(found, expected, rtol=1e-9, atol=1e-9), detector, f"scores depend on {what}")

    same(_scores(detector, detector.fit(info, reference), inputs), scores, "chance: seed all random numbers")
    order = np.random.default_rng(3).permutation(_INPUTS)
    same(_scores(detector, fitted, inputs.rows(order)), scores[order], "the order of inputs")
    alone = [_scores(detector, fitted, inputs.rows([row])) for row in range(_INPUTS)]
    same(np.concatenate(alone), scores, "the other inputs of a batch")
    with _failing(detector, "pickling the fitted detector (no closures or lambdas)"):
        copy = pickle.loads(pickle.dumps(fitted))
    _require(
        np.array_equal(_scores(detector, copy, inputs), scores),
        detector,
        "a pickled copy of the fitted detector gives other scores",
    )
    if ranks_far_inputs:
        far = _scores(detector, fitted, _features(detector, info, _INPUTS, seed=4, far=True))
        _require(
            float(np.median(far)) > float(np.quantile(scores, 0.9)),
            detector,
            "inputs far from the in-distribution ones must score higher (higher = more out-of-distribution); for "
            "detectors of other shifts pass ranks_far_inputs=False",
        )


def _scores(detector: Detector, fitted: FittedDetector, inputs: Features) -> Float:
    with _failing(detector, "scoring, given the declared needs only,"):
        scores = fitted(inputs)
    _require(
        isinstance(scores, np.ndarray) and scores.dtype == np.float64 and scores.shape == (len(inputs),),
        detector,
        f"scores must be a float64 array of shape ({len(inputs)},), not "
        f"{getattr(scores, 'dtype', type(scores).__name__)} {getattr(scores, 'shape', '')}",
    )
    _require(bool(np.isfinite(scores).all()), detector, "scores must be finite")
    return scores


def _features(
    detector: Detector, info: ModelInfo, count: int, seed: int, *, far: bool = False, reference: bool = False
) -> Features:
    """Draw the parts that a detector needs; of references also altered ones, if it needs these."""
    full = synthetic_features(info, count, seed, far=far)
    names = [name for need in detector.needs if need != "altered" for name in PARTS[need]]
    found = Features(**{name: getattr(full, name) for name in names})
    if not reference or "altered" not in detector.needs:
        return found
    rng = np.random.default_rng(seed)
    altered = []
    for shift in (0.5, -0.5):
        layers = {name: value for name, value in _layers(rng, info, count, shift).items() if name in names}
        altered.append(AlteredReferences(replace(found, **layers), np.arange(count)))
    return replace(found, altered=tuple(altered))


def _layers(rng: np.random.Generator, info: ModelInfo, count: int, shift: float) -> dict[str, Any]:
    """Draw the parts of features that layers give."""
    layers = [_layer(rng, count, shift) for _ in info.layers]
    if not layers:
        return {}
    return {"activity": activity_profile(layers), "peaks": tuple(map(channel_peaks, layers))}


def _layer(rng: np.random.Generator, count: int, shift: float) -> ChannelStatistics:
    # Not all channels by the same factor: that would leave their direction as it is.
    larger = shift * (1 + np.arange(5)[:, np.newaxis] % 2)
    size = np.exp(rng.normal(larger, 0.2, (count, 5, 1)))
    return _statistics(np.maximum(size * rng.normal(0.5 - shift / 4, 1, (count, 5, 16)), 0))


def _statistics(maps: Float) -> ChannelStatistics:
    return ChannelStatistics(
        maps.mean(axis=2), maps.var(axis=2), maps.max(axis=2), (maps > 0).mean(axis=2, dtype=np.float64)
    )


def _require(kept: bool, detector: Detector, message: str) -> None:
    if not kept:
        raise AssertionError(f"{type(detector).__qualname__}: {message}")


@contextmanager
def _failing(detector: Detector, action: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise AssertionError(
            f"{type(detector).__qualname__}: {action} raised {type(error).__name__}: {error}"
        ) from error
