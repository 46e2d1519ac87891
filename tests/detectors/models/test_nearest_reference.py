"""Nearest references, against distances of another library."""

import numpy as np
from scipy.spatial.distance import cdist

from onnx_ood.detectors import Features, NearestReference


def test_the_nearest_reference_is_that_of_standardised_distances() -> None:
    rng = np.random.default_rng(0)
    known, new = rng.normal(size=(25, 6)) * [1, 10, 100, 1, 1, 1e-3], rng.normal(size=(600, 6)) * 3
    finder = NearestReference.of(Features(activity=known, logits=known), ("logits", "activity"))
    assert finder is not None
    assert finder.part == "activity"
    expected = cdist(new, known, "seuclidean", V=known.var(axis=0, ddof=1)).argmin(axis=1)
    np.testing.assert_array_equal(finder(Features(activity=new)), expected)


def test_an_input_that_equals_a_reference_is_nearest_to_it() -> None:
    known = np.random.default_rng(1).normal(size=(12, 40))
    finder = NearestReference.of(Features(features=known), ("features",))
    assert finder is not None
    np.testing.assert_array_equal(finder(Features(features=known[::-1])), np.arange(12)[::-1])


def test_a_detector_that_reads_none_of_the_parts_has_no_nearest_reference() -> None:
    values = np.random.default_rng(2).normal(size=(12, 3))
    assert NearestReference.of(Features(drops=values, logits=values), ("pairs",)) is None
    assert NearestReference.of(Features(logits=np.ones((12, 3))), ("logits",)) is None
