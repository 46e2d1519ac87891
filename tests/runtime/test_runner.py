"""Layout cache and retry, for a model written in numpy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from onnx_ood.runtime.arguments import Feed
from onnx_ood.runtime.batching.independence import BatchDependenceError
from onnx_ood.runtime.batching.layout import Layout
from onnx_ood.runtime.runner import Runner
from onnx_ood.runtime.session import OutOfMemoryError

BATCH = np.random.default_rng(0).normal(size=(10, 4))


def runner(calls: list[int], **settings: object) -> Runner:
    def execute(values: np.ndarray, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        calls.append(len(values))
        return {"y": values + feeds.get("shift", 0)}

    options = {"batch_size": 8, "fixed": None} | settings
    return Runner(execute, lambda: ["y"], path=Path("net.onnx"), provider="cpu", **options)


def test_a_layout_is_found_once_for_inputs_of_one_shape() -> None:
    calls: list[int] = []
    found: list[Layout] = []
    made = runner(calls, found=found.append)
    assert (made.batch_size, made.note) == (None, "")
    first = made.plan(BATCH, {})
    trials = len(calls)
    assert made.plan(BATCH[:3] + 1, {}) is first
    assert (len(calls), found, made.batch_size) == (trials, [first], 8)
    # Other shapes, also of what is fed with inputs, need another.
    made.plan(BATCH[:, :2], {})
    made.plan(BATCH[:, :2], {"shift": Feed(np.ones((10, 2)), 0)})
    assert (len(calls), len(found)) == (3 * trials, 3)


def summed(largest: int, error: Callable[[], Exception], sizes: list[int]) -> Callable[[Layout], float]:
    def body(layout: Layout) -> float:
        sizes.append(layout.batch_size)
        if layout.batch_size > largest:
            raise error()
        return float(sum(BATCH[run].sum() for run in layout.runs(len(BATCH))))

    return body


@pytest.mark.parametrize(
    ("error", "expected"),
    [(lambda: OutOfMemoryError("full"), [8, 4, 2]), (lambda: BatchDependenceError("y"), [8, 1])],
)
def test_a_layout_that_fails_is_made_smaller_and_stays_so(
    error: Callable[[], Exception], expected: list[int]
) -> None:
    made, sizes = runner([]), []
    total = made.run(made.plan(BATCH, {}), summed(2, error, sizes))
    assert total == pytest.approx(BATCH.sum())
    assert sizes == expected
    assert made.batch_size == expected[-1]
    assert made.plan(BATCH, {}).batch_size == expected[-1]


@pytest.mark.parametrize(("settings", "tries"), [({"batch_size": 1}, [1]), ({"fixed": 2}, [2])])
def test_what_can_t_be_made_smaller_fails(settings: dict[str, int], tries: list[int]) -> None:
    made, sizes = runner([], **settings), []
    with pytest.raises(OutOfMemoryError):
        made.run(made.plan(BATCH, {}), summed(0, lambda: OutOfMemoryError("full"), sizes))
    assert sizes == tries
