"""Activity profiles against plain loops."""

import math

import numpy as np
import pytest
from detector_inputs import reference_layers, statistics

from onnx_ood.detectors import activity_profile, channel_peaks
from onnx_ood.runtime import ChannelStatistics


def test_it_is_that_of_loops() -> None:
    rng = np.random.default_rng(3)
    # Without a ReLU the largest value of each channel may be below 0.
    low = statistics(-np.exp(rng.normal(0, 1, (6, 5, 9))))
    layers = (*reference_layers(np.random.default_rng(3), 6), low)
    found = activity_profile(layers)
    assert found.shape == (6, 27)
    for i in range(6):
        expected = []
        for layer in layers:
            m, x, a = layer.mean[i], layer.largest[i], layer.active[i]
            s = [math.sqrt(variance) for variance in layer.variance[i]]
            rms = math.sqrt(sum(v * v for v in m) / len(m))
            spread = math.sqrt(sum(v * v for v in s) / len(s))
            expected += [
                math.log(math.hypot(rms, spread)),
                math.log(rms),
                math.log(spread / rms),
                math.log(math.sqrt(sum(v * v for v in x) / len(x)) / rms),
                math.log(max(abs(v) for v in x)),
                math.log(math.sqrt(sum((v - sum(m) / len(m)) ** 2 for v in m) / len(m)) / rms),
                math.log(math.sqrt(sum((v - sum(s) / len(s)) ** 2 for v in s) / len(s)) / spread),
                sum(a) / len(a),
                math.sqrt(sum((v - sum(a) / len(a)) ** 2 for v in a) / len(a)),
            ]
        np.testing.assert_allclose(found[i], expected, rtol=1e-6, atol=1e-6)


def test_a_dead_layer_and_a_layer_of_one_position_are_finite() -> None:
    dead = ChannelStatistics(*(np.zeros((2, 3)) for _ in range(4)))
    flat = ChannelStatistics(np.ones((2, 3)), np.zeros((2, 3)), np.ones((2, 3)), np.ones((2, 3)))
    assert np.isfinite(activity_profile((dead, flat))).all()


def test_no_layers_are_refused() -> None:
    with pytest.raises(ValueError, match="concatenate"):
        activity_profile(())


@pytest.mark.parametrize("channels", [1, 5, 64, 65, 200])
def test_peaks_are_logarithms_of_up_to_64_channels_spaced_evenly(channels: int) -> None:
    maps = np.random.default_rng(0).normal(0, 1, (3, channels, 4))
    maps[0, 0] = 0.0
    found = channel_peaks(statistics(maps))
    assert found.dtype == np.float32
    kept = min(channels, 64)
    chosen = [round(i * (channels - 1) / (kept - 1)) if kept > 1 else 0 for i in range(kept)]
    expected = [[math.log(abs(max(row[c])) + 1e-9) for c in chosen] for row in maps]
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
    assert found[0, 0] == pytest.approx(math.log(1e-9))
