"""The conformance suite: every registered detector passes it, and each fault fails it by name."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from onnx_ood import find_detector, list_detectors
from onnx_ood.detectors import Detector, Features
from onnx_ood.detectors.methods.energy import Energy
from onnx_ood.testing import check_detector, synthetic_features, synthetic_info


@pytest.mark.parametrize("name", list_detectors())
def test_every_detector_conforms(name: str) -> None:
    check_detector(find_detector(name))


@pytest.mark.parametrize("name", list_detectors())
def test_a_class_and_one_probe_conform_as_well(name: str) -> None:
    check_detector(type(find_detector(name)))
    if hasattr(find_detector(name), "at"):
        check_detector(find_detector(f"{name}@second"), ranks_far_inputs=False)


class Sound(Detector):
    """The base of faulty ones: energy."""

    name, formula, source, needs = "sound", "−log Σ exp z", "none", ("logits",)

    def why_not(self, info):
        return None if info.probabilities is False else "the model has no logits"

    def fit(self, info, reference):  # noqa: ARG002
        return _energy


def _energy(features: Features) -> np.ndarray:
    return -np.log(np.exp(features.logits).sum(axis=1))


def _as_float32(features: Features) -> np.ndarray:
    return _energy(features).astype(np.float32)


def _with_two_axes(features: Features) -> np.ndarray:
    return _energy(features)[:, np.newaxis]


def _as_a_list(features: Features) -> list[float]:
    return _energy(features).tolist()


def _not_finite(features: Features) -> np.ndarray:
    return np.full(len(features), np.nan)


def _relative_to_the_batch(features: Features) -> np.ndarray:
    scores = _energy(features)
    return scores - scores.mean()


def _by_place(features: Features) -> np.ndarray:
    return _energy(features) + np.arange(len(features))


def _in_place(features: Features) -> np.ndarray:
    logits = features.logits
    logits[0] += 1
    return _energy(features)


def _of_features(features: Features) -> np.ndarray:
    return np.linalg.norm(features.features, axis=1)


def _inverted(features: Features) -> np.ndarray:
    return -_energy(features)


def _shifted(shift: float, features: Features) -> np.ndarray:
    return _energy(features) + shift


class Random(Sound):
    def fit(self, info, reference):  # noqa: ARG002
        return partial(_shifted, np.random.default_rng().normal())


class Closure(Sound):
    def fit(self, info, reference):  # noqa: ARG002
        return lambda features: _energy(features) + 0


class OtherCopy:
    """Forgets its shift when it is pickled."""

    shift = 1.0

    def __call__(self, features: Features) -> np.ndarray:
        return _shifted(self.shift, features)

    def __getstate__(self):
        return {"shift": 0.0}


def faulty(**attributes: object) -> Detector:
    """A sound detector, but for these attributes."""
    fault = Sound()
    for name, value in attributes.items():
        setattr(fault, name, value)
    return fault


class Scoring(Sound):
    """Sound, but for its scores."""

    def __init__(self, score=_energy) -> None:
        self.score = score

    def fit(self, info, reference):  # noqa: ARG002
        return self.score


class Learning(Sound):
    uses_reference = True

    def fit(self, info, reference):  # noqa: ARG002
        return partial(_shifted, float(reference.logits.mean()))


class Fragile(Sound):
    def why_not(self, info):
        return None if info.head.rectified else "the head is not rectified"


def test_a_sound_detector_conforms() -> None:
    check_detector(Sound())
    check_detector(Learning())


@pytest.mark.parametrize(
    ("detector", "message"),
    [
        (faulty(name=None), "name must be"),
        (faulty(name="With-Hyphen"), "name must be .* not 'With-Hyphen'"),
        (faulty(name="energy"), "name 'energy' is taken by Energy"),
        (faulty(formula=""), "formula must be one line"),
        (faulty(source="two\nlines"), "source must be one line"),
        (faulty(needs=()), "needs must be"),
        (faulty(needs=("logits", "logits")), "needs must be"),
        (faulty(needs=("rank-1",)), "needs must be"),
        (faulty(needs=("logits", "altered")), "set uses_reference"),
        (faulty(order="first"), "order must be an integer"),
        (faulty(extra=lambda: None), "pickling the detector raised"),
        (Fragile(), "why_not raised AttributeError"),
        (Scoring(_of_features), "scoring, given the declared needs only, raised"),
        (Scoring(_as_float32), r"float64 array of shape \(20,\), not float32"),
        (Scoring(_with_two_axes), r"not float64 \(20, 1\)"),
        (Scoring(_as_a_list), "not list"),
        (Scoring(_not_finite), "must be finite"),
        (Scoring(_relative_to_the_batch), "the other inputs of a batch"),
        (Scoring(_by_place), "the order of inputs"),
        (Scoring(_in_place), "must not change the model, the references or the inputs"),
        (Scoring(_inverted), "must score higher"),
        (Scoring(OtherCopy()), "pickled copy .* gives other scores"),
        (Random(), "depend on chance"),
        (Closure(), "pickling the fitted detector"),
    ],
)
def test_a_fault_is_named(detector: Detector, message: str) -> None:
    with pytest.raises(AssertionError, match=f"^{type(detector).__name__}: .*{message}"):
        check_detector(detector)


@pytest.mark.parametrize(
    ("reason", "message"), [("", "why_not must"), ("none.", "why_not must"), ("never", "at least one model")]
)
def test_reasons_are_clauses_and_not_for_all_models(reason: str, message: str) -> None:
    class Refusing(Energy):
        name = "refusing"

        def why_not(self, info):  # noqa: ARG002
            return reason

    # Pickled by reference to this module.
    globals()["Refusing"] = Refusing
    Refusing.__qualname__ = "Refusing"
    with pytest.raises(AssertionError, match=message):
        check_detector(Refusing())


def test_a_detector_that_requires_references_is_not_fitted_without() -> None:
    class Tolerant(Learning):
        def requires_reference(self, info):  # noqa: ARG002
            return False

    globals()["Tolerant"] = Tolerant
    Tolerant.__qualname__ = "Tolerant"
    check_detector(Learning())
    with pytest.raises(AssertionError, match="fit without references"):
        check_detector(Tolerant())


def test_features_have_the_parts_of_their_model() -> None:
    info = synthetic_info()
    found = synthetic_features(info, 5, seed=0)
    assert (len(found), found.finite().all()) == (5, True)
    np.testing.assert_allclose(found.logits, found.features @ info.head.weight.T + info.head.bias)
    assert found.drops.shape == found.flips.shape == (5, 3)
    probable = synthetic_features(replace(info, probabilities=True), 5, seed=0)
    np.testing.assert_allclose(np.exp(probable.logits).sum(axis=1), 1)
    assert synthetic_features(replace(info, layers=()), 5, seed=0).drops is None
    np.testing.assert_array_equal(found.drops, synthetic_features(info, 5, seed=0).drops)
