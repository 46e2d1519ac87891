"""Deviation of channels against plain loops."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest

from onnx_ood.detectors.models.channel_deviation import ChannelDeviation


def drawn(seed: int, count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal(channels, 0.5, (count, channels)).astype(np.float32) for channels in (3, 1, 8)]


def by_loops(reference: list[np.ndarray], inputs: list[np.ndarray], row: int) -> list[float]:
    found = []
    for known, layer in zip(reference, inputs, strict=True):
        squares = []
        for channel in range(known.shape[1]):
            values = [float(v) for v in known[:, channel]]
            z = (float(layer[row, channel]) - statistics.mean(values)) / statistics.stdev(values)
            squares.append(min(abs(z), 1000.0) ** 2)
        found.append(0.5 * math.log(statistics.fmean(squares) + 1e-12))
    return found


@pytest.mark.parametrize("count", [2, 5, 40])
def test_it_is_the_mean_logarithm_of_rms_deviations(count: int) -> None:
    reference, inputs = drawn(0, count), drawn(1, 6)
    inputs[0][0, 1] = 1e6
    deviation = ChannelDeviation(reference)
    expected = [by_loops(reference, inputs, row) for row in range(6)]
    np.testing.assert_allclose(deviation.by_layer(inputs), expected, rtol=1e-6)
    np.testing.assert_allclose(
        deviation.score(inputs), [statistics.fmean(row) for row in expected], rtol=1e-6
    )
    np.testing.assert_array_equal(deviation.largest(inputs), [int(np.argmax(row)) for row in expected])


def test_channels_that_move_against_each_other_are_noticed() -> None:
    """Their mean stays as it is."""
    rng = np.random.default_rng(0)
    reference, new = rng.normal(5, 0.1, (30, 8)), rng.normal(5, 0.1, (30, 8))
    moved = new + np.tile([1.0, -1.0], 4)
    deviation = ChannelDeviation([reference])
    assert deviation.score([moved]).min() > deviation.score([new]).max()


def test_layers_that_do_not_differ_between_references_do_not_count() -> None:
    reference, inputs = drawn(0, 6), drawn(1, 4)
    constant = [np.zeros((6, 2), np.float32), *reference]
    deviation = ChannelDeviation(constant)
    with_layer = [np.ones((4, 2), np.float32), *inputs]
    np.testing.assert_array_equal(deviation.score(with_layer), ChannelDeviation(reference).score(inputs))
    np.testing.assert_array_equal(
        deviation.largest(with_layer), ChannelDeviation(reference).largest(inputs) + 1
    )
    nothing = ChannelDeviation(constant[:1])
    np.testing.assert_array_equal(nothing.score(with_layer[:1]), np.zeros(4))
    np.testing.assert_array_equal(nothing.largest(with_layer[:1]), np.full(4, -1))


@pytest.mark.parametrize("reference", [np.zeros((1, 3)), np.full((4, 3), np.nan)])
def test_references_that_cannot_be_learned_from_are_refused(reference: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"at least 2|finite"):
        ChannelDeviation([reference])
