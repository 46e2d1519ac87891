"""Plug-ins that break the rules are named, and change nothing of others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from detector_inputs import reference_features, reference_info

from onnx_ood.detectors import (
    Detector,
    Features,
    Term,
    TermValues,
    combination,
    find_detector,
    fit_detector,
    why_not,
)
from onnx_ood.exceptions import DetectorError, UsageError

INPUTS = reference_features(1, 5)


class Plugin(Detector):
    """A detector of a third party."""

    name, formula, source, needs = "plugin", "f", "s", ("features",)

    def __init__(self, scorer: Any) -> None:
        self.scorer = scorer

    def why_not(self, _info):
        raise ZeroDivisionError("no")

    def fit(self, _info, _reference):
        return self.scorer


def scores(scorer: Any) -> np.ndarray:
    return fit_detector(Plugin(scorer), reference_info(), None)(INPUTS)


@pytest.mark.parametrize(
    ("result", "found"),
    [
        (None, "NoneType"),
        (np.zeros(1), r"shape \[1\]"),
        (np.zeros((5, 2)), r"shape \[5,2\]|shape \[5, 2\]"),
        (np.array(["a"] * 5), "<U1"),
        (np.zeros(5, complex), "complex128"),
        (np.array([0, 1, np.nan, 0, 0]), "nan"),
        (np.array([0, 1, 2, 0, -np.inf]), "-inf"),
        ([1.0] * 5, "list"),
    ],
)
def test_scores_must_be_one_finite_number_per_input(result: Any, found: str) -> None:
    with pytest.raises(
        DetectorError, match=f"plugin: expected one finite number for each of 5 inputs, found .*{found}"
    ):
        scores(lambda _: result)


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.float64])
def test_numbers_of_other_types_are_float64(dtype: type) -> None:
    found = scores(lambda features: np.arange(len(features)).astype(dtype))
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, [0, 1, 2, 3, 4])


def test_a_failure_names_the_plugin() -> None:
    with pytest.raises(DetectorError, match="detector plugin failed: ZeroDivisionError"):
        scores(lambda _: 1 / 0)
    with pytest.raises(DetectorError, match="detector plugin failed: ZeroDivisionError: no"):
        why_not(Plugin(None), reference_info())


def test_errors_on_purpose_and_of_this_package_keep_their_type() -> None:
    def refuse(_: Features) -> None:
        raise UsageError("give more")

    with pytest.raises(UsageError, match="give more"):
        scores(refuse)
    with pytest.raises(ValueError, match="needs"):
        fit_detector(find_detector("energy"), reference_info(), None)(Features())


def test_features_of_others_cannot_be_changed() -> None:
    before = INPUTS.features.copy()

    def change(features: Features) -> np.ndarray:
        features.features[:] = 0
        return np.zeros(len(features))

    with pytest.raises(DetectorError, match="read-only"):
        scores(change)
    np.testing.assert_array_equal(INPUTS.features, before)
    assert INPUTS.features.flags.writeable


class Explained:
    """A fitted detector of a third party with two terms."""

    terms = (Term("a", "more a"), Term("b", "more b"))

    def __init__(self, values: Any, layers: Any) -> None:
        self.left_out, self.held_out = {"c": "no c here"}, None
        self.values, self.layers = values, layers

    def __call__(self, features: Features) -> np.ndarray:
        return np.zeros(len(features))

    def explain(self, _features: Features) -> TermValues:
        return TermValues(self.values, self.layers)


def test_terms_of_a_plugin_are_passed_on() -> None:
    values, layers = np.arange(10.0).reshape(5, 2), np.zeros((5, 2), np.intp)
    found = combination(fit_detector(Plugin(Explained(values, layers)), reference_info(), None))
    assert found is not None
    assert found.terms == Explained.terms
    assert found.left_out == {"c": "no c here"}
    np.testing.assert_array_equal(found.explain(INPUTS).values, values)
    plain = fit_detector(Plugin(lambda features: np.zeros(len(features))), reference_info(), None)
    assert combination(plain) is None


@pytest.mark.parametrize(
    ("values", "layers", "found"),
    [
        (np.zeros((5, 3)), np.zeros((5, 2), np.intp), r"\[5, 3\] and \[5, 2\]"),
        (np.zeros((5, 2)), np.zeros(5, np.intp), r"\[5, 2\] and \[5\]"),
        (np.full((5, 2), np.nan), np.zeros((5, 2), np.intp), "nan"),
    ],
)
def test_terms_must_be_a_finite_number_each(values: Any, layers: Any, found: str) -> None:
    explained = combination(fit_detector(Plugin(Explained(values, layers)), reference_info(), None))
    assert explained is not None
    with pytest.raises(DetectorError, match=f"plugin: expected .*, found {found}"):
        explained.explain(INPUTS)
