"""Trial runs that tell how a model's inputs can be laid out in runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from onnx_ood._types import Array
from onnx_ood.exceptions import ModelError
from onnx_ood.runtime.batching.independence import neighbour, same, share
from onnx_ood.runtime.batching.layout import Layout, choose_rows
from onnx_ood.runtime.providers import Provider

# Runs values of the batch's input beside the other feeds of the given inputs, and gives every probe and output by name.
Run = Callable[[Array, list[int]], Mapping[str, Array]]


def make_layout(
    run: Run,
    clean: Array,
    *,
    probes: Sequence[str],
    path: Path,
    provider: Provider,
    batch_size: int | None,
    fixed: int | None,
    inner_site: bool,
) -> Layout:
    """Runs the first input alone and in company, to learn sizes and whether inputs stay apart.

    Args:
        run: Runs the model.
        clean: Inputs [N, *input].
        probes: Names of the probes.
        path: The model's file, for errors.
        provider: `"cuda"` or `"cpu"`.
        batch_size: The user's choice of inputs in one run, or None.
        fixed: The batch size that is written into the model, or None.
        inner_site: True if the site is inside the model. The axis of its batch is then asked for even if inputs are run
            one at a time, so that the shape of a nudge doesn't depend on that.

    Returns:
        The layout. Its `shapes` lack outputs of a fixed batch that can't be told apart.

    Raises:
        ModelError: If a run fails, or a probe of a fixed batch can't be told apart.
    """
    first = [0] * (fixed or 1)
    alone = {name: share(array, len(first), 0) for name, array in run(clean[first], first).items()}
    rows, note = fixed or batch_size, ""
    axes: Mapping[str, int] = {}
    if fixed is not None:
        mixed, axes = _apart(run, clean, alone, fixed)
        for name in mixed:
            if name in probes:
                raise _not_apart(path, fixed, name)
            del alone[name]
            note = f"output {name!r} is left out: it doesn't keep the inputs of a batch apart"
    elif rows != 1 or inner_site:
        try:
            mixed, axes = _apart(run, clean, alone, 2)
        except ModelError:
            if rows != 1:
                rows, note = 1, "one input at a time: the model doesn't run several"
        else:
            if mixed and rows != 1:
                rows, note = 1, _note(mixed[0])
    shares = {name: array for name, array in alone.items() if array is not None}
    sizes = {name: shares[name].nbytes for name in probes}
    even = rows is None
    if rows is None:
        rows = choose_rows(sum(sizes.values()), provider)
    return Layout(
        batch_size=rows,
        fixed=fixed is not None,
        shapes={name: array.shape for name, array in shares.items()},
        bytes_at=sizes,
        note=note,
        even=even,
        axes=axes,
    )


def one_at_a_time(layout: Layout, name: str, path: Path) -> Layout:
    """Gives up running several inputs at once.

    Args:
        layout: The layout that did not hold.
        name: A tensor whose shares turned out to be uneven.
        path: The model's file, for errors.

    Returns:
        The layout with one input in a run.

    Raises:
        ModelError: If the model's batch size is fixed.
    """
    if layout.fixed:
        raise _not_apart(path, layout.batch_size, name)
    return replace(layout, batch_size=1, note=_note(name))


def _apart(
    run: Run, clean: Array, alone: Mapping[str, Array | None], rows: int
) -> tuple[list[str], dict[str, int]]:
    """Tensors in which the first input's share depends on its company, and the axis of the batch in the others.

    The first input is run before others and behind others: a model that takes the batch for time lets an
    input see only those before it. Axes that are the first are not listed.
    """
    mixed: dict[str, None] = {}  # An ordered set.
    axes: dict[str, int] = {}
    other = neighbour(clean)
    for at in sorted({0, rows - 1}):
        values = np.stack([clean[0] if i == at else other for i in range(rows)])
        arrays = run(values, [0 if i == at else len(clean) - 1 for i in range(rows)])
        for name, array in arrays.items():
            expected = alone[name]
            if expected is not None and expected.size == 0 == array.size:
                continue  # In a branch that isn't taken there is nothing to tell apart.
            tried = [axes[name]] if name in axes else range(max(array.ndim, 1))
            axis = next((i for i in tried if same(expected, share(array, rows, at, i))), None)
            if axis is None:
                mixed[name] = None
            else:
                axes[name] = axis
    return list(mixed), {name: axis for name, axis in axes.items() if axis}


def _note(name: str) -> str:
    return f"one input at a time: {name!r} doesn't keep the inputs of a batch apart"


def _not_apart(path: Path, rows: int, name: str) -> ModelError:
    return ModelError(
        f"{path}: the model takes batches of {rows}, and {name!r} doesn't keep their inputs apart; choose other probes"
    )
