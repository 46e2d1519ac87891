"""Distances from the nearest reference of each layer, against angles and plain loops."""

import math

import numpy as np
import pytest

from onnx_ood.detectors.models.layer_neighbours import LayerNeighbours


def drawn(seed: int, count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [np.abs(rng.normal(size=(count, channels))) for channels in (4, 17, 64)]


@pytest.mark.parametrize("count", [1, 10, 50])
def test_it_is_the_mean_logarithm_of_the_smallest_distances(count: int) -> None:
    reference, inputs = drawn(0, count), drawn(1, 7)
    expected = []
    for row in range(7):
        logs = []
        for known, layer in zip(reference, inputs, strict=True):
            distances = [
                math.dist(layer[row] / math.hypot(*layer[row]), one / math.hypot(*one)) for one in known
            ]
            logs.append(math.log(min(distances) + 1e-9))
        expected.append(sum(logs) / len(logs))
    np.testing.assert_allclose(LayerNeighbours(reference).score(inputs), expected, rtol=1e-9)


def test_the_direction_of_a_single_channel_is_the_same_for_all() -> None:
    found = LayerNeighbours([np.array([[2.0], [0.1]])]).score([np.array([[5.0], [1e3]])])
    np.testing.assert_allclose(np.exp(found), 0, atol=1e-7)


def test_a_distance_is_twice_the_sine_of_half_the_angle() -> None:
    angles = np.linspace(0.01, np.pi / 2, 9)
    turned = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    found = LayerNeighbours([np.array([[3.0, 0.0]])]).score([7 * turned])
    np.testing.assert_allclose(np.exp(found), 2 * np.sin(angles / 2) + 1e-9, rtol=1e-9)


def test_more_references_are_never_farther() -> None:
    inputs, many = drawn(1, 20), drawn(0, 40)
    few = LayerNeighbours([layer[:10] for layer in many]).by_layer(inputs)
    assert (LayerNeighbours(many).by_layer(inputs) <= few + 1e-12).all()


def test_inactive_layers_leave_scores_finite() -> None:
    """A layer without activity has no direction: its distance from another without is 0, from any direction √2."""
    nothing = np.zeros((2, 3))
    assert np.isfinite(LayerNeighbours([nothing]).score([nothing])).all()
    assert np.isfinite(LayerNeighbours([nothing]).score([np.ones((1, 3))])).all()


@pytest.mark.parametrize("reference", [[], [np.zeros((0, 3))]])
def test_nothing_to_be_near_is_refused(reference: list[np.ndarray]) -> None:
    with pytest.raises(ValueError, match="at least one layer and one reference"):
        LayerNeighbours(reference)
