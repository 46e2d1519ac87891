"""Calibration of detectors, against counted ranks."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from detector_inputs import NOTHING, reference_features, reference_info
from scipy.stats import rankdata

from onnx_ood.detectors import (
    Features,
    LinearHead,
    ModelInfo,
    calibrate,
    calibrating_references,
    detector_p_values,
    find_detector,
    full_p_values,
    split_references,
)


def with_logits(features: Features) -> Features:
    head = reference_info().head
    assert head is not None
    assert features.features is not None
    return replace(features, logits=features.features @ head.weight.T + head.bias)


def test_half_of_the_references_learn_and_the_other_half_calibrates() -> None:
    rng = np.random.default_rng(7)
    reference, rows = rng.normal(size=(31, 4)), rng.normal(size=(8, 4))
    detector = find_detector("knn")
    info = ModelInfo(False, LinearHead(np.eye(4), np.zeros(4), False), False, (), ())
    order = np.random.default_rng(3).permutation(31)
    scorer = detector.fit(info, Features(features=reference[order[:15]]))
    calibration = scorer(Features(features=reference[order[15:]]))
    expected = [(1 + np.sum(calibration >= scorer(Features(features=row[np.newaxis])))) / 17 for row in rows]
    found = calibrate(detector, info, Features(features=reference), seed=3)
    assert (found.method, found.references, found.scorer) == ("half", 16, None)
    np.testing.assert_allclose(found.p_values(Features(features=rows)), expected)


def test_a_detector_that_learns_nothing_is_calibrated_by_all_references() -> None:
    rng = np.random.default_rng(8)
    reference, rows = rng.normal(size=(20, 4)), rng.normal(size=(6, 4))
    info = ModelInfo(False, None, False, (), ())
    found = calibrate(find_detector("max_logit"), info, Features(logits=reference), seed=0)
    expected = [(1 + np.sum(reference.max(axis=1) <= row.max())) / 21 for row in rows]
    assert found.references == 20
    np.testing.assert_allclose(found.p_values(Features(logits=rows)), expected)


def test_low_scores_of_a_two_sided_detector_count_too() -> None:
    lengths = np.arange(1.0, 10.0)
    info = ModelInfo(False, LinearHead(np.eye(1), np.zeros(1), False), False, (), ())
    found = calibrate(find_detector("feature_norm"), info, Features(features=lengths[:, None]), seed=0)
    unusual = Features(features=np.array([[0.0], [5.0], [11.0]]))
    np.testing.assert_allclose(found.p_values(unusual), [2 / 10, 1, 1 / 10])


def test_auto_has_the_p_values_of_activity_and_uncertainty() -> None:
    info = replace(reference_info(), head=None)
    reference, inputs = reference_features(1, 24), reference_features(2, 6)
    rng = np.random.default_rng(3)
    reference, inputs = (replace(one, logits=rng.normal(size=(len(one), 4))) for one in (reference, inputs))
    shares = [
        np.exp(one.logits) / np.exp(one.logits).sum(axis=1, keepdims=True) for one in (reference, inputs)
    ]
    scores = tuple(np.log(((p * (1 - p)) ** 0.1).sum(axis=1) + 1e-9) for p in shares)
    expected = full_p_values(reference.activity, inputs.activity, scores=scores)
    np.testing.assert_array_equal(detector_p_values(info, reference, inputs), expected)
    found = calibrate(find_detector("auto"), info, reference, seed=0)
    assert (found.method, found.references, found.scorer) == ("full", 24, None)
    np.testing.assert_array_equal(found.p_values(inputs), expected)


def test_without_layers_uncertainty_is_ranked_alone() -> None:
    info = ModelInfo(False, None, False, (), ())
    rng = np.random.default_rng(4)
    logits = rng.normal(size=(30, 4))
    reference, inputs = Features(logits=logits[:25]), Features(logits=logits[25:])
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    entropy = ((shares * (1 - shares)) ** 0.1).sum(axis=1)
    ranks = [rankdata([-entropy[25 + i], *-entropy[:25]])[0] for i in range(5)]
    np.testing.assert_allclose(detector_p_values(info, reference, inputs), np.array(ranks) / 26, rtol=1e-12)


def test_without_layers_and_class_scores_there_are_no_p_values() -> None:
    with pytest.raises(ValueError, match="neither class scores nor layers"):
        detector_p_values(NOTHING, Features(), Features())


@pytest.mark.parametrize("name", ["knn", "feature_norm", "activity"])
def test_a_pickled_calibration_gives_the_same_values(name: str) -> None:
    info, reference, inputs = reference_info(), reference_features(5, 20), reference_features(6, 7)
    found = calibrate(find_detector(name), info, reference, seed=1)
    copy = pickle.loads(pickle.dumps(found))
    assert copy.references == found.references
    np.testing.assert_array_equal(copy.p_values(inputs), found.p_values(inputs))


@pytest.mark.parametrize("name", ["auto", "knn", "mahalanobis", "energy"])
def test_no_input_with_a_higher_score_has_a_higher_p_value(name: str) -> None:
    info, reference = reference_info(), with_logits(reference_features(1, 70))
    inputs = Features.joined(
        [with_logits(reference_features(2, 30)), with_logits(reference_features(3, 30, far=0.4))]
    )
    found = calibrate(find_detector(name), info, reference, seed=4)
    assert found.method == "split"
    assert found.scorer is not None
    scores, values = found.scorer(inputs), found.p_values(inputs)
    assert np.all(np.diff(values[np.argsort(-scores)]) >= 0)
    assert len(np.unique(values)) > 5


def test_auto_learns_from_some_references_and_the_others_calibrate_it() -> None:
    info, reference = reference_info(), with_logits(reference_features(1, 60))
    inputs = with_logits(reference_features(2, 9, far=0.3))
    order = np.random.default_rng(4).permutation(60)
    scorer = find_detector("auto").fit(info, reference.rows(order[:41]))
    calibration, scores = scorer(reference.rows(order[41:])), scorer(inputs)
    found = calibrate(find_detector("auto"), info, reference, seed=4)
    assert (found.method, found.references) == ("split", 19)
    assert found.scorer is not None
    np.testing.assert_array_equal(found.scorer(inputs), scores)
    expected = [(1 + np.sum(calibration >= score)) / 20 for score in scores]
    np.testing.assert_allclose(found.p_values(inputs), expected)


def test_auto_keeps_all_references_for_a_rate_that_a_part_of_them_cannot_reach() -> None:
    info, reference = reference_info(), with_logits(reference_features(1, 70))
    assert calibrate(find_detector("auto"), info, reference, seed=0, rate=0.02).method == "full"
    assert calibrate(find_detector("auto"), info, reference, seed=0, rate=0.05).method == "split"


@pytest.mark.parametrize("rate", [0.01, 0.03, 0.05, 0.1, 1 / 3])
def test_references_that_calibrate_waste_none_of_the_rate(rate: float) -> None:
    for count in range(2, 900):
        calibrating = calibrating_references(count, rate)
        most = min(max(2 * count // 5, count - 200), count // 2)
        allowed = [int((one + 1) * rate + 1e-9) / (one + 1) for one in range(1, most + 1)]
        assert calibrating <= most
        if calibrating:
            # The share of inputs that are flagged, and as many references as possible with that number of steps.
            assert allowed[calibrating - 1] == pytest.approx(
                int((most + 1) * rate + 1e-9) / (calibrating + 1)
            )
            assert int((calibrating + 1) * rate + 1e-9) > int(calibrating * rate + 1e-9)
        else:
            assert not any(allowed)


@pytest.mark.parametrize("rate", [0.05, 0.1])
@pytest.mark.parametrize("calibrating", [5, 19, 20, 99, 150, 999])
def test_split_references_are_the_fewest_that_suffice(calibrating: int, rate: float) -> None:
    found = split_references(calibrating, rate)
    enough = [count for count in range(60, 3000) if calibrating_references(count, rate) >= calibrating]
    assert found == enough[0]
