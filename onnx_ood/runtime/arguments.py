"""Validation of the caller's arguments, before anything runs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from onnx_ood._arguments import check_unmasked
from onnx_ood._dialect import named
from onnx_ood._limits import MAX_BATCH_SIZE
from onnx_ood._types import Array, Float, FloatArray
from onnx_ood.exceptions import ModelError, UsageError
from onnx_ood.graph import FedInput, Model, Tensor, format_shape, nearest_floats, why_not_nudged

# Element types that numpy can hold, nudge and reduce.
FLOATS = ("float16", "float32", "float64")
_INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
_NUMBERS = (*FLOATS, *_INTEGERS, "bool")
# Kinds of numpy's dtypes that convert to these without losing a part.
_REAL = "biuf"


class Feed(NamedTuple):
    """The value of an input that the batch does not feed.

    Attributes:
        value: The array to feed.
        axis: The axis with one entry per input of the batch, or None if the array is fed as it is.
    """

    value: Array
    axis: int | None

    def at(self, inputs: list[int]) -> Array:
        """Take the array for a run with these inputs of the batch."""
        if self.axis is None:
            return self.value
        taken: Array = np.take(self.value, inputs, axis=self.axis)
        return taken

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Shape of the value that belongs to one input."""
        return tuple(size for axis, size in enumerate(self.value.shape) if axis != self.axis)


def feed_arrays(feeds: Mapping[str, Feed], inputs: list[int]) -> dict[str, Array]:
    """Return the arrays for a run, by name.

    Args:
        feeds: What `check_feeds` gives.
        inputs: Indices of the inputs in the run.
    """
    return {name: feed.at(inputs) for name, feed in feeds.items()}


def find_site(model: Model, name: str | None) -> Tensor:
    """Find the tensor to nudge.

    Args:
        model: The model.
        name: A graph input or the output of a node, in a branch or function by its scoped path; None for the only
            floating-point input.

    Returns:
        The tensor.

    Raises:
        UsageError: If there is no such tensor, it can't be nudged, or None is ambiguous.
    """
    usable = [tensor.name for tensor in model.inputs if tensor.dtype in FLOATS]
    if name is None:
        if len(usable) == 1:
            return model.by_name[usable[0]]
        if not model.inputs:
            raise UsageError(f"{model.path} has no inputs: there is nothing to feed or nudge")
        listed = ", ".join(f"{tensor.name} ({tensor.dtype})" for tensor in model.inputs) or "none"
        problem = "has several floating-point inputs" if usable else "has no floating-point input to nudge"
        inner = "" if usable else nearest_floats(model)
        raise UsageError(
            f"{model.path} {problem}; choose one with {named('site')}. Its inputs: {listed}{inner}"
        )
    known = f"; floating-point inputs: {', '.join(usable) or 'none'}"
    site = next((tensor for tensor in model.all_tensors if tensor.name == name), None)
    if site is None:
        close = get_close_matches(name, [tensor.name for tensor in model.all_tensors], n=3, cutoff=0.4)
        near = f"; nearest names: {', '.join(close)}" if close else ""
        raise UsageError(f"{name!r} is not a tensor of {model.path}{known}{near}")
    reason = why_no_site(model, site)
    if reason is not None:
        raise UsageError(f"{name!r} {reason}{known}")
    return site


def why_no_site(model: Model, tensor: Tensor) -> str | None:
    """Explain why runs cannot be nudged at a tensor; None if they can.

    Args:
        model: The model.
        tensor: One of its tensors. An unknown dtype is accepted.
    """
    reason = why_not_nudged(model, tensor)
    nested = model.nested_by_path.get(tensor.name)
    if reason is None and nested is not None:
        if not {"Loop", "Scan"}.isdisjoint(nested.around):
            return "is in a loop and would be nudged in every iteration; choose a tensor that the loop reads"
        reason = model.output_plans.refusal(tensor.name)
    if reason is None and tensor.dtype == "bfloat16":
        return "holds bfloat16, which numpy does not support, so no nudged value can be fed"
    return reason


def find_input(model: Model, site: Tensor, feeds: Collection[str] = ()) -> Tensor:
    """Find the graph input that the batch feeds.

    Args:
        model: The model.
        site: The tensor that is nudged.
        feeds: Names of inputs with values of their own.

    Returns:
        The site itself if it is an input; else the `first_input`.

    Raises:
        UsageError: If the model has no inputs.
    """
    return site if site.is_input else first_input(model, feeds)


def first_input(model: Model, feeds: Collection[str] = ()) -> Tensor:
    """Find the first input that a batch can feed.

    Args:
        model: The model.
        feeds: Names of inputs with values of their own.

    Returns:
        The first input that is not in `feeds`, and not a scalar if there is a choice.

    Raises:
        UsageError: If there is none.
    """
    left = [tensor for tensor in model.inputs if tensor.name not in feeds]
    if not left:
        raise UsageError(f"{model.path} has no input left that the batch could feed")
    return next((tensor for tensor in left if tensor.shape != ()), left[0])


def fixed_batch_size(fed: Tensor) -> int | None:
    """Return the batch size fixed in the model; None if it accepts any.

    Raises:
        ModelError: If it is above `MAX_BATCH_SIZE`.
    """
    first = fed.shape[0] if fed.shape else None
    if not isinstance(first, int):
        return None
    if first > MAX_BATCH_SIZE:
        raise ModelError(
            f"input {fed.name!r} has a fixed batch of {first}, and at most {MAX_BATCH_SIZE} inputs can be run at once; "
            "export the model with a free or smaller batch axis"
        )
    return first


def check_batch_size(batch_size: int | None) -> None:
    """Refuse batch sizes below 1 or above `MAX_BATCH_SIZE`.

    Args:
        batch_size: The user's choice of inputs in one run, or None.

    Raises:
        UsageError: If it is out of range.
    """
    if batch_size is not None and batch_size < 1:
        raise UsageError(f"{named('batch_size', batch_size)} is too small; give at least 1")
    if batch_size is not None and batch_size > MAX_BATCH_SIZE:
        raise UsageError(f"{named('batch_size', batch_size)} is too large; give at most {MAX_BATCH_SIZE}")


def check_batch(batch: ArrayLike, fed: Tensor) -> Array:
    """Convert a batch to the dtype of the input that it feeds.

    Args:
        batch: Values of the input, [N, *input].
        fed: The input.

    Returns:
        The batch as an array of the input's dtype.

    Raises:
        UsageError: If it is empty, its shape does not fit, or the dtype cannot represent it.
    """
    what = f"the batch for input {fed.name!r}"
    given = _array(batch, what)
    if fed.dtype in _NUMBERS and given.dtype.kind not in _REAL:
        raise UsageError(f"{what} is not an array of numbers: found {given.dtype}")
    # An overflow of a small floating-point dtype shows as an infinite activation.
    with np.errstate(over="ignore"):
        values = given.astype(fed.dtype, copy=False) if fed.dtype in FLOATS else _converted(given, fed)
    if values.ndim == 0 or len(values) == 0:
        raise UsageError(f"{what} is empty")
    if fed.shape is not None:
        fits = len(fed.shape) == values.ndim and all(
            not isinstance(want, int) or want == got
            for want, got in zip(fed.shape[1:], values.shape[1:], strict=True)
        )
        if not fits:
            raise UsageError(
                f"input {fed.name!r} takes {format_shape(fed.shape)}, but the batch is {list(values.shape)}"
            )
    return values


def refuse_nan(given: Mapping[str, ArrayLike]) -> None:
    """Refuse NaN, which would make the statistics of an input NaN.

    Args:
        given: What a user gives, by name.

    Raises:
        UsageError: If there is a NaN.
    """
    for name, values in given.items():
        array = _array(values, name)
        if array.dtype.kind == "f" and (missing := int(np.isnan(array).sum())):
            raise UsageError(
                f"{name}: found {missing} NaN among {array.size} values; replace them, or leave out their inputs"
            )


def refuse_infinite(values: ArrayLike, name: str, dtype: str | None) -> None:
    """Refuse infinite values, and those that become infinite as float32.

    Args:
        values: What a user gives.
        name: Name of the argument.
        dtype: Type that they are converted to. The range of smaller types than float32 is not checked: their overflow
            shows as an infinite activation.

    Raises:
        UsageError: If there are such values.
    """
    array = _array(values, name)
    if array.dtype.kind != "f":
        return
    with np.errstate(over="ignore"):
        count = int(np.isinf(array if dtype == "float64" else array.astype(np.float32)).sum())
    if count:
        raise UsageError(
            f"{name}: found {count} infinite or too large for float32 among {array.size} values; replace them, or "
            "leave out their inputs"
        )


def check_seed(seed: int) -> None:
    """Refuse negative seeds.

    Raises:
        UsageError: If it is negative.
    """
    if seed < 0:
        raise UsageError(f"seed must be 0 or larger, but is {seed}")


def check_steps(step: ArrayLike, count: int) -> Float:
    """Check steps of finite differences.

    Args:
        step: One for all inputs, or one for each.
        count: N, the number of inputs.

    Returns:
        float64 [N]; NaN is kept.

    Raises:
        UsageError: If it is not made of positive numbers, or has another shape.
    """
    given = _array(step, "step")
    if given.dtype.kind not in _REAL or given.shape not in {(), (count,)} or (given <= 0).any():
        raise UsageError(f"step must be one positive number or [{count}], but is {given.tolist()}")
    return np.broadcast_to(given.astype(np.float64), count)


def check_nudges(nudges: ArrayLike, shape: tuple[int, ...]) -> FloatArray:
    """Check nudges against the site that they are added to.

    Args:
        nudges: [K, *site], shared by all inputs, or [N, K, *site].
        shape: Shape [N, *site] of the site's values for the whole batch.

    Returns:
        The nudges as [N, K, *site]; shared nudges are broadcast without a copy.

    Raises:
        UsageError: If they have another shape, are not floating-point numbers, or K is 0.
    """
    values = _array(nudges, "nudges")
    if not np.issubdtype(values.dtype, np.floating):
        raise UsageError(f"nudges must be floating-point numbers, but are {values.dtype}")
    if values.ndim == len(shape) and values.shape[1:] == shape[1:]:
        values = np.broadcast_to(values, (shape[0], *values.shape))
    if (
        values.ndim != len(shape) + 1
        or values.shape[2:] != shape[1:]
        or len(values) != shape[0]
        or values.shape[1] == 0
    ):
        dims = "".join(f", {size}" for size in shape[1:])
        raise UsageError(
            f"nudges must be [K{dims}] or [{shape[0]}, K{dims}] with K ≥ 1, but are {list(np.shape(nudges))}"
        )
    return values


def check_feeds(feeds: Mapping[str, ArrayLike], model: Model, fed: Tensor, count: int) -> dict[str, Feed]:
    """Check the values of the inputs that the batch does not feed.

    Args:
        feeds: Values by name.
        model: The model.
        fed: The input that the batch feeds.
        count: N, the number of inputs in the batch.

    Returns:
        The feeds by name.

    Raises:
        UsageError: If one is missing, unknown, or does not have N entries on its batch axis.
    """
    wanted = {tensor.name: tensor for tensor in model.inputs if tensor.name != fed.name}
    for name in feeds:
        if name not in wanted:
            raise UsageError(
                f"{name!r} is not an input of the model other than {fed.name!r}; those are: "
                f"{', '.join(wanted) or 'none'}"
            )
    checked: dict[str, Feed] = {}
    for name, tensor in wanted.items():
        if name not in feeds:
            raise UsageError(f"missing input {name!r} ({tensor.dtype}); give its value with {named('feeds')}")
        value = _converted(feeds[name], tensor)
        axis = batch_axis(tensor, fed, value.ndim)
        if axis is not None and value.shape[axis] != count:
            raise UsageError(f"input {name!r} has {value.shape[axis]} entries for a batch of {count}")
        checked[name] = Feed(value, axis)
    return checked


def _converted(values: ArrayLike, tensor: Tensor) -> Array:
    """Convert numbers to the model's dtype; types that numpy does not have are left to the runtime."""
    given = _array(values, f"input {tensor.name!r}")
    if tensor.dtype not in _NUMBERS or given.dtype == tensor.dtype:
        return given
    converted: Array
    with np.errstate(invalid="ignore", over="ignore"):
        converted = given.astype(tensor.dtype) if given.dtype.kind in _REAL else given
    if converted is given or (tensor.dtype not in FLOATS and not np.array_equal(converted, given)):
        raise UsageError(
            f"input {tensor.name!r} takes {tensor.dtype}, which cannot represent the given values ({given.dtype})"
        )
    return converted


def _array(values: ArrayLike, what: str) -> Array:
    check_unmasked(values, what)
    try:
        return np.asarray(values)
    # Ragged lists, and whatever the conversions of other types raise.
    except (TypeError, ValueError) as error:
        raise UsageError(f"{what} is not an array of numbers: {error}") from None


def can_feed(tensor: Tensor) -> bool:
    """Return whether numpy supports the element type of an input."""
    return tensor.dtype in _NUMBERS


def batch_axis(tensor: Tensor, fed: Tensor, rank: int) -> int | None:
    """Find the batch axis of an input that the batch does not feed.

    Args:
        tensor: The input.
        fed: The input that the batch feeds.
        rank: Number of axes of the value.

    Returns:
        The first axis as a rule. If the model gives its size, and that is not the model's fixed batch size, the axis
        with the symbol of the batch (the state of a recurrent net, `[layers, batch, units]`) or else the only axis of
        unknown size. None if there is no such axis, or the model's inputs have no batch axis.
    """
    if rank == 0 or tensor.shape == () or (isinstance(fed, FedInput) and fed.batch_axis is None):
        return None
    if tensor.shape is None or len(tensor.shape) != rank or not isinstance(tensor.shape[0], int):
        return 0
    if tensor.shape[0] == fixed_batch_size(fed):
        return 0
    symbol = fed.shape[0] if fed.shape else None
    named = [axis for axis, dim in enumerate(tensor.shape) if isinstance(dim, str) and dim == symbol]
    unknown = [axis for axis, dim in enumerate(tensor.shape) if not isinstance(dim, int)]
    for axes in (named, unknown):
        if len(axes) == 1:
            return axes[0]
    return None
