"""The default detector against the sum of its parts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from onnx_ood.detectors import (
    NO_LAYER,
    AlteredReferences,
    CombinedDetector,
    Features,
    FittedDetector,
    LinearHead,
    ModelInfo,
    activity_profile,
    find_detector,
)
from onnx_ood.detectors.models.discriminant import Discriminant
from onnx_ood.runtime import ChannelStatistics

LAYERS, CHANNELS, CLASSES, FEATURES = 3, 5, 4, 6


def made(count: int, seed: int, shift: float = 0.0) -> Features:
    rng = np.random.default_rng(seed)
    layers = []
    for _ in range(LAYERS):
        values = np.abs(rng.normal(1 + shift, 0.5, (count, CHANNELS, 20))) * rng.lognormal(
            0, 0.2, (count, 1, 1)
        )
        layers.append(ChannelStatistics(values.mean(2), values.var(2), values.max(2), (values > 0.7).mean(2)))
    features = np.abs(rng.normal(size=(count, FEATURES)))
    return Features(logits=features @ WEIGHT.T, features=features, activity=activity_profile(layers))


WEIGHT = np.random.default_rng(9).normal(size=(CLASSES, FEATURES))
INFO = ModelInfo(False, LinearHead(WEIGHT, np.zeros(CLASSES), True), True, (), ("a", "b", "c"))
REFERENCE = replace(
    made(16, 0),
    altered=tuple(
        AlteredReferences(made(16, seed, shift), np.arange(16)) for seed, shift in ((1, 0.3), (2, -0.3))
    ),
)
INPUTS = made(7, 3, 0.2)


def _z(fit: object, distance: bool) -> np.ndarray:
    """Scores in standard deviations of references, each scored by a scorer fitted to the other folds."""
    held_out = np.empty(16)
    for fold in range(8):
        held = np.arange(16) % 8 == fold
        scorer: FittedDetector = fit(REFERENCE.rows(np.flatnonzero(~held)))  # type: ignore[operator]
        held_out[held] = scorer(REFERENCE.rows(np.flatnonzero(held)))
    scores = fit(REFERENCE)(INPUTS)  # type: ignore[operator]
    if distance:
        held_out, scores = np.log(held_out + 1e-12), np.log(scores + 1e-12)
    return np.asarray((scores - held_out.mean()) / held_out.std(ddof=1))


def test_auto_is_the_sum_of_its_parts() -> None:
    def discriminant(known: Features) -> FittedDetector:
        found = Discriminant(known.activity, [one.features.activity for one in known.altered])
        return lambda features: found.score(features.activity)

    expected = (
        _z(lambda known: find_detector("activity").fit(INFO, known), distance=True)
        + _z(discriminant, distance=False)
        + _z(lambda known: find_detector("uncertainty").fit(INFO, known), distance=False)
    )
    np.testing.assert_allclose(find_detector("auto").fit(INFO, REFERENCE)(INPUTS), expected, rtol=1e-9)


def test_without_references_it_is_the_uncertainty() -> None:
    auto, uncertainty = find_detector("auto"), find_detector("uncertainty")
    np.testing.assert_array_equal(auto.fit(INFO, None)(INPUTS), uncertainty.fit(INFO, None)(INPUTS))
    assert not auto.requires_reference(INFO)
    entropy, cosine = (find_detector(name).fit(INFO, None)(INPUTS) for name in ("gen", "class_cosine"))
    np.testing.assert_allclose(uncertainty.fit(INFO, None)(INPUTS), np.log(entropy * (1 + cosine)), rtol=1e-6)


def test_without_classes_it_is_activity_alone() -> None:
    headless = replace(INFO, probabilities=None, head=None)
    auto = find_detector("auto")
    assert auto.why_not(headless) is None
    assert auto.requires_reference(headless)
    plain = replace(REFERENCE, logits=None, features=None, altered=())
    expected = _z(lambda known: find_detector("activity").fit(INFO, known), distance=True)
    np.testing.assert_allclose(auto.fit(headless, plain)(INPUTS), expected, rtol=1e-9)
    nothing = replace(headless, layers=())
    assert "neither" in (auto.why_not(nothing) or "")


def test_its_terms_sum_to_the_score() -> None:
    auto = find_detector("auto").fit(INFO, REFERENCE)
    assert isinstance(auto, CombinedDetector)
    assert [one.name for one in auto.terms] == ["activity", "alteration", "uncertainty"]
    assert auto.left_out == {}
    explained = auto.explain(INPUTS)
    np.testing.assert_allclose(explained.values.sum(axis=1), auto(INPUTS), rtol=1e-12)
    activity = _z(lambda known: find_detector("activity").fit(INFO, known), distance=True)
    np.testing.assert_allclose(explained.values[:, 0], activity, rtol=1e-9)
    np.testing.assert_array_equal(explained.layers[:, 2], NO_LAYER)


@pytest.mark.parametrize("layer", range(LAYERS))
def test_the_layer_that_is_active_otherwise_is_named(layer: int) -> None:
    profiles = REFERENCE.activity[:2].copy()
    profiles[:, 9 * layer : 9 * (layer + 1)] += 5.0
    auto = find_detector("auto").fit(INFO, REFERENCE)
    assert isinstance(auto, CombinedDetector)
    changed = replace(REFERENCE.rows([0, 1]), activity=profiles, altered=())
    np.testing.assert_array_equal(auto.explain(changed).layers[:, 0], layer)


def test_terms_that_a_model_has_no_values_for_are_left_out_with_the_reason() -> None:
    def left_out(info: ModelInfo, reference: Features | None) -> dict[str, str]:
        found = find_detector("auto").fit(info, reference)
        assert isinstance(found, CombinedDetector)
        assert len(found.terms) == found.explain(INPUTS).values.shape[1]
        return dict(found.left_out)

    headless = replace(INFO, probabilities=None, head=None, no_scores="two outputs could be it")
    assert "two outputs could be it" in left_out(headless, REFERENCE)["uncertainty"]
    assert "altered" in left_out(INFO, replace(REFERENCE, altered=()))["alteration"]
    assert set(left_out(replace(INFO, layers=()), REFERENCE)) == {"activity", "alteration"}
    assert "no references" in left_out(INFO, None)["activity"]
    assert "above_baseline" in left_out(INFO, None)
    assert "above_baseline" not in left_out(replace(INFO, baseline=made(3, 8)), None)


def test_without_references_its_terms_sum_to_the_score() -> None:
    auto = find_detector("auto").fit(replace(INFO, baseline=made(3, 8)), None)
    uncertainty = find_detector("uncertainty").fit(INFO, None)(INPUTS)
    assert isinstance(auto, CombinedDetector)
    values = auto.explain(INPUTS).values
    np.testing.assert_array_equal(values[:, 0], uncertainty)
    np.testing.assert_array_equal(values.sum(axis=1), auto(INPUTS))


@pytest.mark.parametrize("alteration", [0, 1])
def test_altered_inputs_score_higher(alteration: int) -> None:
    scorer = find_detector("auto").fit(INFO, REFERENCE)
    unusual = replace(made(60, 20, (1.0, -0.6)[alteration]), altered=())
    inlying = made(60, 21)
    assert np.median(scorer(unusual)) > np.quantile(scorer(inlying), 0.75)
