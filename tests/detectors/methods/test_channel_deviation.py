"""The detector against numpy in one expression."""

import numpy as np
from detector_inputs import reference_features, reference_info, score


def test_it_is_the_mean_over_layers_of_log_rms_z() -> None:
    reference, inputs = reference_features(0, 20), reference_features(1, 7)
    expected = np.mean(
        [
            0.5
            * np.log(np.mean(((x - k.mean(axis=0)) / k.std(axis=0, ddof=1)) ** 2, axis=1, dtype=np.float64))
            for k, x in zip(reference.peaks, inputs.peaks, strict=True)
        ],
        axis=0,
    )
    found = score("channel_deviation", reference_info(), inputs, reference)
    np.testing.assert_allclose(found, expected, rtol=1e-4)
