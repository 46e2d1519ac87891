"""The default detector against the soft maximum of its parts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
import pytest

from onnx_ood.detectors import (
    NO_ALTERATION,
    NO_LAYER,
    AlteredReferences,
    CombinedDetector,
    Features,
    LinearHead,
    ModelInfo,
    activity_profile,
    channel_peaks,
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
    return Features(
        logits=features @ WEIGHT.T,
        features=features,
        activity=activity_profile(layers),
        peaks=tuple(map(channel_peaks, layers)),
    )


WEIGHT = np.random.default_rng(9).normal(size=(CLASSES, FEATURES))
INFO = ModelInfo(False, LinearHead(WEIGHT, np.zeros(CLASSES), True), True, (), ("a", "b", "c"))
REFERENCE = replace(
    made(16, 0),
    altered=tuple(
        AlteredReferences(made(16, seed, shift), np.arange(16)) for seed, shift in ((1, 0.3), (2, -0.3))
    ),
)
INPUTS = made(7, 3, 0.2)


Fit = Callable[[Features], Callable[[Features], np.ndarray]]


def _z(fit: Fit, *, distance: bool = False, weighted: bool = True) -> tuple[np.ndarray, float]:
    """Scores of `INPUTS` in standard deviations of held-out references, and the separation of altered ones."""
    held_out = np.empty(16)
    altered = [np.empty(16) for _ in REFERENCE.altered]
    for fold in range(8):
        held = np.arange(16) % 8 == fold
        scorer = fit(REFERENCE.rows(np.flatnonzero(~held)))
        held_out[held] = scorer(REFERENCE.rows(np.flatnonzero(held)))
        for found, one in zip(altered, REFERENCE.altered, strict=True):
            found[held] = scorer(one.features.rows(np.flatnonzero(held)))
    areas = [
        np.mean([(a > r) + 0.5 * (a == r) for a in found for r in held_out]) for found in altered if weighted
    ]
    scores = fit(REFERENCE)(INPUTS)
    if distance:
        held_out, scores = np.log(held_out + 1e-12), np.log(scores + 1e-12)
    z = (scores - held_out.mean()) / held_out.std(ddof=1)
    return np.asarray(z), max(2 * float(np.mean(areas)) - 1, 0) if areas else 1.0


def _peaks(features: Features) -> np.ndarray:
    return np.concatenate(features.peaks, axis=1).astype(np.float64)


def _discriminant(known: Features) -> Callable[[Features], np.ndarray]:
    found = Discriminant(known.activity, [one.features.activity for one in known.altered])
    return lambda features: found.score(features.activity)


def _towards(known: Features) -> Callable[[Features], np.ndarray]:
    found = Discriminant(_peaks(known), [_peaks(one.features) for one in known.altered])
    return lambda features: np.log(np.exp(found.towards_sets(_peaks(features))).mean(axis=1))


def _detector(name: str) -> Fit:
    return lambda known: find_detector(name).fit(INFO, known)


PARTS: dict[str, tuple[Fit, bool]] = {
    "activity": (_detector("activity"), True),
    "alteration": (_discriminant, False),
    "channels": (_detector("channel_deviation"), False),
    "altered_peaks": (_towards, False),
    "neighbours": (_detector("layer_knn"), False),
    "uncertainty": (_detector("uncertainty"), False),
}


def expected_terms(names: Iterable[str], *, weighted: bool) -> np.ndarray:
    found = [_z(PARTS[name][0], distance=PARTS[name][1], weighted=weighted) for name in names]
    largest = max(weight for _, weight in found)
    return np.stack([z * weight / largest for z, weight in found], axis=1)


def soft(values: np.ndarray) -> np.ndarray:
    return np.asarray(4 * np.log(np.exp(values / 4).mean(axis=1)))


@pytest.mark.parametrize("generic", [False, True])
def test_auto_is_the_soft_maximum_of_its_parts(generic: bool) -> None:
    """Photos of other sources have no part in the weights, and no neighbours."""
    names = [name for name in PARTS if not (generic and name == "neighbours")]
    auto = find_detector("auto").fit(replace(INFO, generic_references=generic), REFERENCE)
    assert isinstance(auto, CombinedDetector)
    assert [one.name for one in auto.terms] == names
    assert set(auto.left_out) == {"neighbours"} - set(names)
    expected = expected_terms(names, weighted=not generic)
    np.testing.assert_allclose(auto.explain(INPUTS).values, expected, rtol=1e-6)
    np.testing.assert_allclose(auto(INPUTS), soft(expected), rtol=1e-6)


def test_without_references_it_is_the_uncertainty() -> None:
    auto, uncertainty = find_detector("auto"), find_detector("uncertainty")
    np.testing.assert_array_equal(auto.fit(INFO, None)(INPUTS), uncertainty.fit(INFO, None)(INPUTS))
    assert not auto.requires_reference(INFO)
    entropy, cosine = (find_detector(name).fit(INFO, None)(INPUTS) for name in ("gen", "class_cosine"))
    np.testing.assert_allclose(uncertainty.fit(INFO, None)(INPUTS), np.log(entropy * (1 + cosine)), rtol=1e-6)


def test_without_classes_and_altered_references_layers_remain() -> None:
    headless = replace(INFO, probabilities=None, head=None)
    auto = find_detector("auto")
    assert auto.why_not(headless) is None
    assert auto.requires_reference(headless)
    plain = replace(REFERENCE, logits=None, features=None, altered=())
    expected = soft(expected_terms(["activity", "channels", "neighbours"], weighted=False))
    np.testing.assert_allclose(auto.fit(headless, plain)(INPUTS), expected, rtol=1e-6)
    nothing = replace(headless, layers=())
    assert "neither" in (auto.why_not(nothing) or "")


def test_terms_without_layers_or_alterations_say_so() -> None:
    auto = find_detector("auto").fit(INFO, REFERENCE)
    assert isinstance(auto, CombinedDetector)
    explained = auto.explain(INPUTS)
    named = [one.name for one in auto.terms]
    np.testing.assert_array_equal(explained.layers[:, named.index("uncertainty")], NO_LAYER)
    assert explained.alterations is not None
    learned = {
        name for name, of in zip(named, explained.alterations.T, strict=True) if (of != NO_ALTERATION).any()
    }
    assert learned == {"alteration", "altered_peaks"}


@pytest.mark.parametrize("which", [0, 1])
def test_the_alteration_that_inputs_have_is_named(which: int) -> None:
    auto = find_detector("auto").fit(INFO, REFERENCE)
    assert isinstance(auto, CombinedDetector)
    found = auto.explain(made(60, 40, (0.6, -0.6)[which])).alterations
    assert found is not None
    assert (found[:, 3] == which).mean() > 0.9


def test_a_term_that_separates_nothing_does_not_count() -> None:
    """A model that is as certain of altered references as of others."""
    certain = np.tile(np.array([9.0, 0.0, 0.0, 0.0]), (16, 1))
    altered = tuple(
        AlteredReferences(replace(one.features, logits=certain), one.of) for one in REFERENCE.altered
    )
    doubtful = replace(REFERENCE, altered=altered)
    auto = find_detector("auto").fit(replace(INFO, head=None), doubtful)
    assert isinstance(auto, CombinedDetector)
    assert (auto.explain(INPUTS).values[:, -1] == 0).all()


@pytest.mark.parametrize("layer", range(LAYERS))
@pytest.mark.parametrize("term", ["channels", "altered_peaks", "neighbours"])
def test_the_layer_whose_peaks_differ_is_named(layer: int, term: str) -> None:
    auto = find_detector("auto").fit(INFO, REFERENCE)
    assert isinstance(auto, CombinedDetector)
    at = [one.name for one in auto.terms].index(term)
    some = replace(made(60, 30), altered=())
    towards = np.where(np.arange(CHANNELS) % 2, 3.0, -3.0) if term != "altered_peaks" else 3.0
    peaks = tuple(
        (values + (towards if place == layer else 0)).astype(np.float32)
        for place, values in enumerate(some.peaks)
    )
    named = auto.explain(replace(some, peaks=peaks)).layers[:, at]
    assert (named == layer).mean() > 0.8


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
    assert set(left_out(replace(INFO, layers=()), REFERENCE)) == set(PARTS) - {"uncertainty"}
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
