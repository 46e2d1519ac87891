"""Layouts that trial runs find, for models written in numpy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from onnx_ood import ModelError
from onnx_ood.runtime.batching.layout import Layout
from onnx_ood.runtime.batching.trial import find_layout, one_at_a_time

CLEAN = np.random.default_rng(0).normal(size=(3, 2, 5))
Function = Callable[[np.ndarray], np.ndarray]


def layout_of(function: Function, batch_size: int | None = None, fixed: int | None = None) -> Layout:
    return find_layout(
        lambda values, _: {"y": function(values)},
        CLEAN,
        probes=["y"],
        path=Path("net.onnx"),
        provider="cpu",
        batch_size=batch_size,
        fixed=fixed,
        inner_site=False,
    )


@pytest.mark.parametrize(
    ("function", "axes", "shape"),
    [
        (lambda x: x * 2, {}, (1, 2, 5)),
        (lambda x: np.moveaxis(x, 0, 1), {"y": 1}, (2, 1, 5)),
        (lambda x: np.moveaxis(x, 0, 2), {"y": 2}, (2, 5, 1)),
        (lambda x: x.reshape(-1, 5), {}, (2, 5)),
    ],
)
def test_the_axis_of_the_batch_is_found(
    function: Function, axes: dict[str, int], shape: tuple[int, ...]
) -> None:
    found = layout_of(function)
    assert (found.axes, found.shapes["y"], found.note) == (axes, shape, "")
    assert found.even
    # What the layout splits is what each input gives alone.
    for i, sample in enumerate(found.split("y", function(CLEAN), 3)):
        np.testing.assert_array_equal(sample, function(CLEAN[i : i + 1]))


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x - x.mean(axis=0),
        lambda x: np.cumsum(x, axis=0),  # The batch as time: an input sees those before it.
        lambda x: np.cumsum(x[::-1], axis=0)[::-1],
        lambda x: x[: max(1, len(x) // 2)],
    ],
)
def test_inputs_that_depend_on_each_other_are_run_alone(function: Function) -> None:
    found = layout_of(function)
    assert found.batch_size == 1
    assert found.note == "one input at a time: 'y' cannot be split by input"
    with pytest.raises(ModelError, match=r"batches of 2, and 'y' cannot be split by input; choose other"):
        layout_of(function, fixed=2)


def test_a_batch_size_is_kept() -> None:
    assert layout_of(np.sin, batch_size=7).batch_size == 7
    assert not layout_of(np.sin, batch_size=7).even


def test_a_fixed_batch_can_t_be_given_up() -> None:
    assert one_at_a_time(layout_of(np.sin, batch_size=4), "y", Path("net.onnx")).batch_size == 1
    with pytest.raises(ModelError, match="batches of 2, and 'y'"):
        one_at_a_time(layout_of(np.sin, fixed=2), "y", Path("net.onnx"))
