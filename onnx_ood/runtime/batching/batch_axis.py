"""The batch axis of the model input that takes the batch: given, read from names, or found by trial runs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import fields

import numpy as np

from onnx_ood._dialect import named
from onnx_ood._limits import MAX_BATCH_SIZE
from onnx_ood._types import Array
from onnx_ood.exceptions import ModelError, OnnxOodError, UsageError
from onnx_ood.graph import Dim, FedInput, Model, Tensor, format_shape, rewrite, suggest_probes
from onnx_ood.runtime.arguments import FLOATS, Feed, batch_axis, feed_arrays
from onnx_ood.runtime.batching.independence import equal_but_for_rounding
from onnx_ood.runtime.batching.trial import batch_axes
from onnx_ood.runtime.session import Session

NONE = "none"
"""In place of a number: the model takes one input without a batch axis."""

_BATCH = re.compile(r"batch|^(n|b|bs|bsz)$", re.IGNORECASE)
_POSITIONS = re.compile(
    r"seq|time|step|frame|length|node|edge|vert|atom|point|token|phon|char|word|height|width|channel|samples?$|^(t|l|s|h|w|c|len)$",
    re.IGNORECASE,
)
_GRAPH_INPUT = re.compile(r"edge|adjacen|^adj", re.IGNORECASE)
_COLOURS = 3
_PICTURE_AXES = 3
# Sizes tried for axes whose size the model leaves open.
_OPEN_SIZES = (16, 64)
# Inputs in a trial run: an odd number, since many tensors can be halved by chance.
_TRIAL_BATCH_SIZE = 3


def find_fed_input(model: Model, tensor: Tensor, choice: str | int | None = None) -> FedInput:
    """Find the batch axis of an input.

    Args:
        model: The model.
        tensor: The input that the batch feeds.
        choice: The axis, `"none"` for no batch axis, or None to find it.

    Returns:
        The input with its batch axis first.

    Raises:
        UsageError: If the input has no such axis.
        ModelError: If the batch is fixed and larger than can be run at once.
    """
    if isinstance(tensor, FedInput):
        return tensor
    if choice is None:
        axis, reason = _find(model, tensor)
    else:
        axis, reason = _parsed(tensor, str(choice)), "as given"
    shape: tuple[Dim, ...] | None = tensor.shape
    if axis is None:
        shape = None if shape is None else (1, *shape)
    elif shape is not None and axis > 0:
        shape = (shape[axis], *shape[:axis], *shape[axis + 1 :])
    values = {field.name: getattr(tensor, field.name) for field in fields(tensor)}
    return FedInput(**values | {"shape": shape}, batch_axis=axis, reason=reason)


def _parsed(tensor: Tensor, choice: str) -> int | None:
    if choice == NONE:
        return None
    rank = None if tensor.shape is None else len(tensor.shape)
    if not choice.isdecimal() or (rank is not None and int(choice) >= rank):
        raise UsageError(
            f"{named('batch_axis', choice)}: input {tensor.name!r} is {format_shape(tensor.shape)}; choose an axis "
            f"from 0 or {NONE}"
        )
    return int(choice)


def _find(model: Model, tensor: Tensor) -> tuple[int | None, str]:
    """Find the axis and the reason, which is empty for the first axis as usual."""
    shape = tensor.shape
    if shape is None:
        return 0, ""
    if not shape:
        return None, "it is a single number"
    called = [axis for axis, dim in enumerate(shape) if isinstance(dim, str) and _BATCH.search(dim)]
    if 0 in called:
        return 0, ""
    if len(called) == 1:
        return called[0], f"axis {called[0]} is called {shape[called[0]]!r}"
    first, open_axes = shape[0], [axis for axis, dim in enumerate(shape) if not isinstance(dim, int)]
    if isinstance(first, int):
        if first == 1:
            return 0, ""
        if len(shape) == 1:
            return None, f"its only axis has the fixed size {first}"
        # Without positions that a batch axis could be mistaken for, a size above the limit is an error of its own.
        tried = [0, *open_axes] if first <= MAX_BATCH_SIZE else open_axes
        found, ran = _by_trial(model, tensor, tried)
        if found is not None:
            return found, "" if found == 0 else _tried(found)
        if not ran and len(shape) == _PICTURE_AXES and _COLOURS in (first, shape[-1]):
            return None, "it has the shape of a colour picture"
        if not ran:
            return 0, ""
        return None, f"the values along axis 0, of fixed size {first}, depend on each other"
    others = [one.name for one in model.inputs if one.name != tensor.name]
    if any(_GRAPH_INPUT.search(name) for name in others):
        return None, "the model takes the edges of a graph"
    position = isinstance(first, str) and _POSITIONS.search(first) is not None
    if position and shape[1:2] == (1,):
        return 1, f"axis 0 is called {first!r}, and axis 1 has the size 1"
    if open_axes == [0] or len(shape) > 3 or (len(shape) == 2 and tensor.dtype not in FLOATS):
        return (None, f"axis 0 is called {first!r}") if position else (0, "")
    axis = _beginning(model, shape)
    if axis is not None and not (axis == 0 and position):
        return axis, "" if axis == 0 else f"axis {axis} ({shape[axis]}) begins the model's outputs"
    found, _ = _by_trial(model, tensor, open_axes)
    if found is not None:
        return found, "" if found == 0 else _tried(found)
    return (None, f"axis 0 is called {first!r}") if position else (0, "")


def _beginning(model: Model, shape: Sequence[Dim]) -> int | None:
    """Find the axis whose symbol begins every output, if the outputs hold no other symbol of the input."""
    symbols = {dim for dim in shape if isinstance(dim, str)}
    outputs = [dims for name in model.outputs if (dims := model.by_name[name].shape)]
    firsts = {dims[0] for dims in outputs}
    if (
        len(firsts) != 1
        or not firsts <= symbols
        or any(dim in symbols for dims in outputs for dim in dims[1:])
    ):
        return None
    return shape.index(firsts.pop())


def _tried(axis: int) -> str:
    return f"in trial runs, only entries along axis {axis} did not depend on each other"


def _by_trial(model: Model, tensor: Tensor, axes: Sequence[int]) -> tuple[int | None, bool]:
    """Run the model on random values, to find an axis along which inputs don't depend on each other.

    Returns:
        The first such axis, or None; and whether the model ran on the values and gave the same twice.
    """
    if tensor.dtype is None:
        return None, False
    try:
        np.dtype(tensor.dtype)
        probes = [one.tensor.name for one in suggest_probes(model, site=tensor)]
        rewritten = rewrite(model, probes)
        session = Session(rewritten.proto, model.path, "cpu", carriers=rewritten.outputs)
    except (TypeError, OnnxOodError):
        return None, False
    names = [*probes, *(name for name in model.outputs if session.is_tensor(name) and name not in probes)]
    ran = False
    for size in _OPEN_SIZES:
        for axis in axes:
            try:
                independent = _independent(model, tensor, session, names, axis, size)
            except (ModelError, UsageError):
                continue
            ran = True
            fixed = tensor.shape is not None and isinstance(tensor.shape[axis], int)
            # An output of a fixed batch may mix its inputs (a mean over them), which probes don't see.
            if independent.issuperset(probes if fixed else names):
                return axis, True
        if ran:
            break
    return None, ran


def _independent(
    model: Model, tensor: Tensor, session: Session, names: list[str], axis: int, size: int
) -> set[str]:
    """Return the tensors in which an input has the same values in any company along an axis.

    Raises:
        ModelError: If the model does not run on these values.
        UsageError: If another input cannot be fed.
    """
    fed = find_fed_input(model, tensor, axis)
    shape = fed.shape or ()
    count = shape[0] if isinstance(shape[0], int) else _TRIAL_BATCH_SIZE
    rng = np.random.default_rng(0)

    def draw(dims: Sequence[Dim], dtype: str | None) -> Array:
        sizes = [dim if isinstance(dim, int) else size for dim in dims]
        kind = np.dtype(dtype or "float32")
        values: Array = rng.uniform(0, 1, sizes).astype(kind) if kind.kind == "f" else np.ones(sizes, kind)
        return values

    def values_of(other: Tensor) -> Feed:
        if other.shape is None or other.dtype not in (*FLOATS, "int32", "int64", "bool"):
            raise UsageError(f"input {other.name!r} cannot be guessed")
        at = batch_axis(other, fed, len(other.shape))
        dims = tuple(1 if i == at else dim for i, dim in enumerate(other.shape))
        return Feed(draw(dims, other.dtype), at)

    feeds = {one.name: values_of(one) for one in model.inputs if one.name != tensor.name}

    def run(values: Array, inputs: list[int]) -> dict[str, Array]:
        fed_with = {tensor.name: fed.arrange(values), **feed_arrays(feeds, [0] * len(inputs))}
        return dict(zip(names, session.run(names, fed_with), strict=True))

    clean = draw((1, *shape[1:]), tensor.dtype)
    if np.dtype(tensor.dtype).kind in "iu":
        clean = rng.integers(0, 2, clean.shape).astype(clean.dtype)
    first = [0] * (count if isinstance(shape[0], int) else 1)
    whole, again = run(clean[first], first), run(clean[first], first)
    if not all(equal_but_for_rounding(whole[name], again[name]) for name in names):
        raise ModelError("the model is random")
    if not any(array.size for array in whole.values()):
        raise ModelError("the model finds nothing in these values")
    dependent, _ = batch_axes(run, clean, whole, len(first), count)
    return {name for name in names if name not in dependent}
