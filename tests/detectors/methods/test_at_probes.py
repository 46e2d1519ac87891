"""Detectors that read what nudges do, against plain loops."""

from __future__ import annotations

from math import log10

import numpy as np
import pytest

from onnx_ood.detectors import Features, ModelInfo, find_detector, published_score, registered
from onnx_ood.exceptions import UsageError

LAYERS = ("first", "second", "deep/third@2")
INFO = ModelInfo(None, None, False, (), LAYERS)
COUNT = 12
AT_PROBES = {"cosine_drop", "distortion", "flip_rate", "transition_density", "spectral_ratio"}


def evidence() -> Features:
    rng = np.random.default_rng(0)
    shape = (COUNT, len(LAYERS))
    return Features(
        drops=10 ** rng.uniform(-6, -1, shape),
        flips=rng.uniform(0, 0.2, shape),
        distortions=10 ** rng.uniform(-1, 1, shape),
        smooth_drops=10 ** rng.uniform(-6, -1, shape),
        transitions=rng.uniform(0, 2, shape),
        jacobian=10 ** rng.uniform(-8, 1, COUNT),
    )


def at(name: str, found: Features, i: int, p: int) -> float:
    """What a detector should read of input i at probe p."""

    def value(field: str) -> float:
        return float(getattr(found, field)[i, p])

    return {
        "cosine_drop": lambda: -log10(value("drops")),
        "distortion": lambda: -log10(value("distortions")),
        "flip_rate": lambda: value("flips"),
        "transition_density": lambda: value("transitions"),
        "spectral_ratio": lambda: log10(value("smooth_drops") / value("drops")),
    }[name]()


def score(name: str, found: Features, info: ModelInfo = INFO) -> np.ndarray:
    detector = find_detector(name)
    assert detector.name == name
    assert detector.why_not(info) is None
    assert not detector.uses_reference
    return detector.fit(info, None)(found)


@pytest.mark.parametrize("name", sorted(AT_PROBES))
def test_it_is_a_mean_over_probes(name: str) -> None:
    found = evidence()
    expected = [sum(at(name, found, i, p) for p in range(3)) / 3 for i in range(COUNT)]
    np.testing.assert_allclose(score(name, found), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", sorted(AT_PROBES))
@pytest.mark.parametrize("probe", range(3))
def test_one_probe_is_read_alone(name: str, probe: int) -> None:
    found = evidence()
    expected = [at(name, found, i, probe) for i in range(COUNT)]
    np.testing.assert_allclose(score(f"{name}@{LAYERS[probe]}", found), expected, rtol=1e-12, atol=1e-12)


def test_cosine_drop_is_the_published_score() -> None:
    found = evidence()
    assert found.drops is not None
    published = published_score(found.drops, np.full(3, 1e-12))
    np.testing.assert_array_equal(score("cosine_drop", found), published)


def test_jacobian_norm_is_the_norm() -> None:
    found = evidence()
    np.testing.assert_array_equal(score("jacobian_norm", found), found.jacobian)


def test_signs_are_those_that_were_published() -> None:
    """Out-of-distribution is what turns less, and where more units switch and the function is steeper."""
    calm = Features(
        drops=np.full((1, 3), 1e-5),
        flips=np.full((1, 3), 0.01),
        distortions=np.full((1, 3), 0.5),
        smooth_drops=np.full((1, 3), 1e-4),
        transitions=np.full((1, 3), 0.1),
        jacobian=np.array([0.1]),
    )
    moved = Features(
        drops=np.full((1, 3), 1e-4),
        flips=np.full((1, 3), 0.02),
        distortions=np.full((1, 3), 0.8),
        smooth_drops=np.full((1, 3), 1e-4),
        transitions=np.full((1, 3), 0.2),
        jacobian=np.array([0.2]),
    )
    for name in ("cosine_drop", "distortion", "spectral_ratio"):
        assert score(name, calm) > score(name, moved), name
    for name in ("flip_rate", "transition_density", "jacobian_norm"):
        assert score(name, moved) > score(name, calm), name


def test_they_are_the_ones_that_are_made_for_each_probe() -> None:
    for name in registered():
        if name in AT_PROBES:
            assert find_detector(f"{name}@anything").name == f"{name}@anything"
        else:
            with pytest.raises(UsageError, match=rf"{name} is not made for each probe.*cosine_drop.* are$"):
                find_detector(f"{name}@anything")
    with pytest.raises(UsageError, match="no detector 'cosine_dorp'"):
        find_detector("cosine_dorp@first")
    # The registered ones are left as they were.
    assert find_detector("cosine_drop").name == "cosine_drop"
    assert not [name for name in registered() if "@" in name]


@pytest.mark.parametrize("probe", ["", "fourth", "first,second"])
def test_a_probe_that_is_unknown_is_named_with_those_that_are_not(probe: str) -> None:
    reason = find_detector(f"flip_rate@{probe}").why_not(INFO)
    assert reason == f"it has no probe {probe!r}; its probes are first, second, deep/third@2"


def test_what_they_lack_is_said() -> None:
    nothing = ModelInfo(None, None, False, (), ())
    for name in AT_PROBES:
        for full in (name, f"{name}@first"):
            assert find_detector(full).why_not(nothing) == "it has no layers whose activations can be read"
    jacobian = find_detector("jacobian_norm")
    assert "class scores" in (jacobian.why_not(nothing) or "")
    assert jacobian.why_not(ModelInfo(False, None, False, (), ())) is None
    assert jacobian.why_not(INFO) is None
