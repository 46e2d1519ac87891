"""ReAct against plain loops, and against the energy that it becomes without a cut."""

import numpy as np
import pytest
from detector_inputs import reference_features, reference_info, score
from scipy.special import logsumexp


@pytest.mark.parametrize("count", [10, 33])
def test_it_is_the_energy_of_features_below_the_90th_percentile(count: int) -> None:
    info, reference, inputs = reference_info(), reference_features(1, count), reference_features(2, 8)
    ordered = sorted(reference.features.ravel())
    place = 0.9 * (len(ordered) - 1)
    low = int(place)
    cut = ordered[low] + (place - low) * (ordered[low + 1] - ordered[low])
    expected = []
    for h in inputs.features:
        kept = [min(float(value), cut) for value in h]
        expected.append(
            -logsumexp([w @ kept + b for w, b in zip(info.head.weight, info.head.bias, strict=True)])
        )
    np.testing.assert_allclose(score("react", info, inputs, reference), expected, rtol=1e-12)
    assert not np.allclose(expected, score("energy", info, inputs))


def test_features_below_the_cut_keep_their_energy() -> None:
    info, inputs = reference_info(), reference_features(2, 8)
    reference = reference_features(1, 20, far=0)
    above = reference.rows(slice(None))
    object.__setattr__(above, "features", np.full_like(reference.features, inputs.features.max()))
    np.testing.assert_allclose(score("react", info, inputs, above), score("energy", info, inputs), rtol=1e-12)
