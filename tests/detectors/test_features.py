"""Features of inputs: rows, masks and concatenation, by indices of numpy."""

from dataclasses import replace

import numpy as np
import pytest
from detector_inputs import classifier, probe_features, reference_layers

from onnx_ood.detectors import Features, activity_profile


def everything(count: int = 6) -> Features:
    _, head = classifier(1)
    probes = probe_features(count)
    layers = reference_layers(np.random.default_rng(2), count)
    found = replace(
        head.rows(slice(count)),
        activity=activity_profile(layers),
        norms=layers,
        drops=probes.drops,
        jacobian=probes.jacobian,
    )
    return replace(found, altered=(found, found))


@pytest.mark.parametrize("which", [[4, 0, 0], slice(1, 3), np.array([5])])
def test_rows_are_those_of_each_part(which) -> None:
    found, whole = everything().rows(which), everything()
    np.testing.assert_array_equal(found.logits, whole.logits[which])
    np.testing.assert_array_equal(found.norms[1].variance, whole.norms[1].variance[which])
    np.testing.assert_array_equal(found.pooled.largest, whole.pooled.largest[which])
    np.testing.assert_array_equal(found.altered[1].jacobian, whole.jacobian[which])
    assert found.flips is None
    assert len(found) == len(whole.logits[which])


def test_joined_rows_are_the_whole() -> None:
    whole = everything()
    parts = Features.joined([whole.rows(slice(0, 2)), whole.rows(slice(2, 6))])
    np.testing.assert_array_equal(parts.features, whole.features)
    np.testing.assert_array_equal(parts.norms[0].active, whole.norms[0].active)
    np.testing.assert_array_equal(parts.altered[0].drops, whole.drops)
    assert Features.joined([]) == Features()
    assert len(Features()) == 0


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("part", ["logits", "jacobian", "activity", "norms", "altered"])
def test_an_input_with_any_value_that_is_not_finite_is_masked(part: str, value: float) -> None:
    whole = everything()
    array = {
        "logits": whole.logits,
        "jacobian": whole.jacobian,
        "activity": whole.activity,
        "norms": whole.norms[1].mean,
        "altered": whole.altered[1].drops,
    }[part]
    array[3] = value
    # The altered references share their arrays with the references.
    assert whole.finite().tolist() == [True, True, True, False, True, True]
