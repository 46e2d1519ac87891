"""Transitions round rings of points, against counts in numpy."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import small_models
from onnx import ModelProto

from onnx_ood.graph import load
from onnx_ood.runtime import Prober, ring_transitions

Save = Callable[..., Path]


def prober_of(path: Path, **options: object) -> Prober:
    model = load(path)
    return Prober(model, [model.by_name["act"]], provider="cpu", **options)


def kinks(places: list[float]) -> ModelProto:
    """A unit for each place, on where the first of two numbers is above it."""
    weight = np.array([[1.0] * len(places), [0.0] * len(places)])
    return small_models.build(
        f"kinks (double[N, 2] x) => (double[N, {len(places)}] act) {{ h = Gemm (x, w, b)  act = Relu (h) }}",
        {"w": weight, "b": -np.array(places)},
    )


def circle(points: int) -> np.ndarray:
    turns = 2 * np.pi * np.arange(points) / points
    return np.stack([np.cos(turns), np.sin(turns)], axis=1)


@pytest.mark.parametrize("points", [2, 3, 4, 7, 8, 9])
def test_a_line_across_a_circle_is_passed_twice(save: Save, points: int) -> None:
    prober = prober_of(save(kinks([0.3, 0.45, 4.0, -7.0])))
    batch = np.array([[0.0, 0], [-5, 1], [4, 2], [100, 0]])
    found = ring_transitions(prober, batch, circle(points))
    # Of four units: those whose line is between the ring's lowest and highest point.
    ends = circle(points)[:, 0].min(), circle(points)[:, 0].max()
    lines = np.array([0.3, 0.45, 4.0, -7.0])
    crossed = [((lines > x + ends[0]) & (lines < x + ends[1])).sum() for x in batch[:, 0]]
    np.testing.assert_array_equal(found[:, 0], [2 * count / 4 for count in crossed])


@pytest.mark.parametrize("batch_size", [1, 3, None])
def test_a_unit_counts_as_often_as_it_is_switched(save: Save, batch_size: int | None) -> None:
    rng = np.random.default_rng(0)
    weight, bias, batch, ring = (rng.normal(size=shape) for shape in ((5, 50), (50,), (7, 5), (6, 5)))
    model = small_models.build(
        "net (double[N, 5] x) => (double[N, 50] act) { h = Gemm (x, w, b)  act = Relu (h) }",
        {"w": weight, "b": bias},
    )
    found = ring_transitions(prober_of(save(model), batch_size=batch_size), batch, ring)
    expected = []
    for x in batch:
        on = [(x + point) @ weight + bias > 0 for point in (*ring, ring[0])]
        expected.append(sum((a != b).sum() for a, b in pairwise(on)) / 50)
    assert max(expected) > 2
    np.testing.assert_allclose(found[:, 0], expected, rtol=1e-12)


def test_what_is_undefined_is_nan(save: Save) -> None:
    model = small_models.build(
        "roots (double[N, 2] x) => (double[N, 2] act) { h = Sqrt (x)  act = Relu (h) }"
    )
    found = ring_transitions(prober_of(save(model)), np.array([[2.0, 2], [2, 0.5]]), circle(8))
    assert np.isnan(found[:, 0]).tolist() == [False, True]


def test_steps_between_points_of_different_sizes_are_left_out(save: Save) -> None:
    """A value that is positive is kept: at one of the points it isn't, so that two steps of four have no pairs."""
    model = load(
        save(
            small_models.build(
                "kept (double[N, 2] x) => (double[] act) { on = Greater (x, zero) flat = Reshape (x, all)"
                " flags = Reshape (on, all) some = Compress (flat, flags) act = Relu (some) }",
                {"zero": np.array(0.0), "all": np.array([-1])},
            )
        )
    )
    prober = Prober(model, [model.by_name["act"]], provider="cpu")
    ring = np.array([[0.0, 0.0], [0.5, 0.0], [0.0, 0.5], [-3.0, 0.0]])
    found = ring_transitions(prober, np.ones((1, 2)), ring)
    # What is left are positive values, none of which switches.
    assert found.tolist() == [[0.0]]
