"""Detectors with one value per probe."""

import numpy as np
import pytest
from detector_inputs import NOTHING, PROBE_INFO, probe_features

from onnx_ood.detectors import PerProbeDetector, find_detector, list_detectors
from onnx_ood.exceptions import UsageError

NAMES = ("cosine_drop", "distortion", "flip_rate", "transition_density", "spectral_ratio")


@pytest.mark.parametrize("name", list_detectors())
def test_only_these_take_a_probe(name: str) -> None:
    if name in NAMES:
        found = find_detector(f"{name}@anything")
        assert isinstance(found, PerProbeDetector)
        assert (found.name, found.probe) == (f"{name}@anything", "anything")
    else:
        with pytest.raises(
            UsageError, match=rf"'{name}' takes no probe, in '{name}@anything'; .*cosine_drop"
        ):
            find_detector(f"{name}@anything")


def test_the_registered_ones_are_left_unchanged() -> None:
    find_detector("cosine_drop@first")
    assert find_detector("cosine_drop").name == "cosine_drop"
    assert not [name for name in list_detectors() if "@" in name]


def test_a_subclass_is_the_mean_of_its_values() -> None:
    class Third(PerProbeDetector):
        name, formula, source, needs = "third", "f", "s", ("pairs",)

        def values(self, features):
            return features.flips**3

    flips = probe_features().flips
    found = Third().fit(PROBE_INFO, None)(probe_features())
    np.testing.assert_allclose(found, [sum(v**3 for v in row) / 3 for row in flips.tolist()], rtol=1e-12)
    at = Third().at("second").fit(PROBE_INFO, None)(probe_features())
    np.testing.assert_allclose(at, [row[1] ** 3 for row in flips.tolist()], rtol=1e-12)


@pytest.mark.parametrize("probe", ["", "fourth", "first,second"])
def test_an_unknown_probe_is_named_with_the_known_ones(probe: str) -> None:
    reason = find_detector(f"flip_rate@{probe}").why_not(PROBE_INFO)
    assert reason == f"the model has no probe {probe!r}; choose from first, second, deep/third@2"


@pytest.mark.parametrize("name", NAMES)
def test_they_need_layers(name: str) -> None:
    for full in (name, f"{name}@first"):
        assert find_detector(full).why_not(NOTHING) == "the model has no layers with readable activations"


def test_without_a_probe_the_model_decides() -> None:
    """Layers are there; only an unknown probe or a missing part of the model refuses a detector."""
    for name in NAMES:
        assert find_detector(name).why_not(PROBE_INFO) is None
        assert find_detector(f"{name}@{PROBE_INFO.layers[-1]}").why_not(PROBE_INFO) is None
        # The first thing that is missing is what is said.
        assert "probe 'x'" not in find_detector(f"{name}@x").why_not(NOTHING)
