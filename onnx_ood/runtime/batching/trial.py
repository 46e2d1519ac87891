"""Trial runs: how the inputs of a model can be laid out in runs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from onnx_ood._types import Array
from onnx_ood.exceptions import ModelError
from onnx_ood.runtime.batching.independence import companion, equal_but_for_rounding, sample
from onnx_ood.runtime.batching.layout import Layout, choose_batch_size
from onnx_ood.runtime.providers import Provider

# Runs values of the batch's input with the other feeds of the given inputs; returns probes and outputs by name.
TrialRun = Callable[[Array, list[int]], Mapping[str, Array]]


def find_layout(
    run: TrialRun,
    clean: Array,
    *,
    probes: Sequence[str],
    path: Path,
    provider: Provider,
    batch_size: int | None,
    fixed: int | None,
    inner_site: bool,
) -> Layout:
    """Run the first input alone and with others, to find sample sizes and batch independence.

    Args:
        run: Runs the model.
        clean: Inputs [N, *input].
        probes: Names of the probes.
        path: The model's file, for errors.
        provider: `"cuda"` or `"cpu"`.
        batch_size: The user's choice of inputs in one run, or None.
        fixed: The batch size that is written into the model, or None.
        inner_site: True if the site is inside the model. Its batch axis is then found even if inputs are run one at a
            time, so that the shape of a nudge doesn't depend on that.

    Returns:
        The layout. Its `shapes` lack outputs of a fixed batch that cannot be split by input.

    Raises:
        ModelError: If a run fails, or a probe of a fixed batch cannot be split by input.
    """
    first = [0] * (fixed or 1)

    def run_first() -> Mapping[str, Array]:
        return run(clean[first], first)

    whole = run_first()
    chosen, note = fixed or batch_size, ""
    axes: Mapping[str, int] = {}
    dependent: Collection[str] = ()
    random: frozenset[str] = frozenset()
    left_out: set[str] = set()
    if fixed not in (None, 1) or (fixed is None and (chosen != 1 or inner_site)):
        try:
            dependent, axes = batch_axes(run, clean, whole, len(first), fixed or 2)
            if dependent:
                random = _random_tensors(whole, run_first())
            if random:
                dependent, axes = batch_axes(run, clean, whole, len(first), fixed or 2, random)
        except ModelError:
            if fixed is not None:
                raise
            if chosen != 1:
                chosen, note = 1, "one input at a time: the model doesn't run several"
        else:
            if fixed is not None:
                for name in dependent:
                    if name in probes:
                        raise _fixed_batch_error(path, fixed, name)
                    left_out.add(name)
                    note = f"output {name!r} is left out: it cannot be split by input"
            elif dependent and chosen != 1:
                chosen, note = 1, _one_at_a_time_note(next(iter(dependent)))
    else:
        random = _random_tensors(whole, run_first())
    parts = {name: sample(array, len(first), 0, axes.get(name, 0)) for name, array in whole.items()}
    samples = {name: array for name, array in parts.items() if array is not None and name not in left_out}
    sizes = {name: samples[name].nbytes for name in probes}
    return Layout(
        batch_size=choose_batch_size(sum(sizes.values()), provider) if chosen is None else chosen,
        fixed=fixed is not None,
        shapes={name: array.shape for name, array in samples.items()},
        bytes_per_sample=sizes,
        note=note,
        even=chosen is None,
        axes=axes,
        dependent=frozenset(dependent),
        random=random,
    )


def one_at_a_time(layout: Layout, name: str, path: Path) -> Layout:
    """Give up running several inputs at once.

    Args:
        layout: The layout that did not hold.
        name: A tensor whose samples turned out to differ in size.
        path: The model's file, for errors.

    Returns:
        The layout with one input in a run.

    Raises:
        ModelError: If the model's batch size is fixed.
    """
    if layout.fixed:
        raise _fixed_batch_error(path, layout.batch_size, name)
    return replace(layout, batch_size=1, note=_one_at_a_time_note(name))


def batch_axes(
    run: TrialRun,
    clean: Array,
    alone: Mapping[str, Array],
    alone_size: int,
    batch_size: int,
    random: Collection[str] = (),
) -> tuple[list[str], dict[str, int]]:
    """Find tensors in which the first input depends on its company, and the batch axis of the rest.

    The first input is run before others and behind others: a model that reads the batch as time lets an input see only
    those before it.

    Args:
        run: Runs the model.
        clean: Inputs [N, *input].
        alone: Tensors of a run of the first input alone, or repeated to fill a fixed batch.
        alone_size: Inputs of that run.
        batch_size: Inputs of the runs to make.
        random: Tensors that differ between runs of the same inputs; only their shapes are compared.

    Returns:
        Names of the dependent tensors, and the batch axis of the others if it is not the first.
    """
    dependent: dict[str, None] = {}  # An ordered set.
    axes: dict[str, int] = {}
    other = companion(clean)
    for index in sorted({0, batch_size - 1}):
        values = np.stack([clean[0] if i == index else other for i in range(batch_size)])
        arrays = run(values, [0 if i == index else len(clean) - 1 for i in range(batch_size)])
        for name, array in arrays.items():
            expected = alone[name]
            if expected.size == 0 == array.size:
                continue  # Nothing to compare in a branch that isn't taken.
            tried = [axes[name]] if name in axes else range(max(array.ndim, 1))

            def equal(axis: int, name: str = name, array: Array = array, expected: Array = expected) -> bool:
                one = sample(expected, alone_size, 0, axis)
                found = sample(array, batch_size, index, axis)  # noqa: B023 - called in this iteration
                if name in random:
                    return one is not None and found is not None and one.shape == found.shape
                return equal_but_for_rounding(one, found)

            axis = next((i for i in tried if equal(i)), None)
            if axis is None:
                dependent[name] = None
            else:
                axes[name] = axis
    return list(dependent), {name: axis for name, axis in axes.items() if axis}


def _random_tensors(one: Mapping[str, Array], other: Mapping[str, Array]) -> frozenset[str]:
    """Return the tensors that differ between two runs of the same inputs."""
    return frozenset(name for name, array in one.items() if not equal_but_for_rounding(array, other[name]))


def _one_at_a_time_note(name: str) -> str:
    return f"one input at a time: {name!r} cannot be split by input"


def _fixed_batch_error(path: Path, batch_size: int, name: str) -> ModelError:
    return ModelError(
        f"{path}: the model takes batches of {batch_size}, and {name!r} cannot be split by input; choose other probes"
    )
