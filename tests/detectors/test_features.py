"""Features of inputs: rows, masks and concatenation, by indices of numpy."""

from dataclasses import replace

import numpy as np
import pytest
from detector_inputs import classifier, probe_features, reference_layers

from onnx_ood.detectors import AlteredReferences, Features, activity_profile


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
    return replace(found, altered=(AlteredReferences(found, np.arange(count)),) * 2)


@pytest.mark.parametrize("which", [[4, 0, 0], slice(1, 3), np.array([5])])
def test_rows_are_those_of_each_part(which) -> None:
    found, whole = everything().rows(which), everything()
    np.testing.assert_array_equal(found.logits, whole.logits[which])
    np.testing.assert_array_equal(found.norms[1].variance, whole.norms[1].variance[which])
    np.testing.assert_array_equal(found.pooled.largest, whole.pooled.largest[which])
    np.testing.assert_array_equal(found.altered[1].features.jacobian, whole.jacobian[which])
    assert found.flips is None
    assert len(found) == len(whole.logits[which])


def test_joined_rows_are_the_whole() -> None:
    whole = everything()
    parts = Features.joined([whole.rows(slice(0, 2)), whole.rows(slice(2, 6))])
    np.testing.assert_array_equal(parts.features, whole.features)
    np.testing.assert_array_equal(parts.norms[0].active, whole.norms[0].active)
    np.testing.assert_array_equal(parts.altered[0].features.drops, whole.drops)
    assert parts.altered[0].of.tolist() == list(range(6))
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
        "altered": whole.altered[1].features.drops,
    }[part]
    array[3] = value
    # The altered references share their arrays with the references.
    assert whole.finite().tolist() == [True, True, True, False, True, True]


def test_altered_versions_follow_their_references() -> None:
    """Of 6 references the third and the sixth are altered; rows of these keep their versions, others have none."""
    whole = everything()
    whole = replace(
        whole, altered=(AlteredReferences(whole.altered[0].features.rows([2, 5]), np.array([2, 5])),)
    )
    found = whole.rows([5, 0, 2, 5]).altered[0]
    assert found.of.tolist() == [0, 2, 3]
    np.testing.assert_array_equal(found.features.logits, whole.logits[[5, 2, 5]])
    assert len(whole.rows(slice(3, 5)).altered[0]) == 0
    whole.altered[0].features.drops[1] = np.nan
    assert whole.finite().tolist() == [True] * 5 + [False]
    joined = Features.joined([whole.rows(slice(0, 3)), whole.rows(slice(3, 6))])
    assert joined.altered[0].of.tolist() == [2, 5]
