"""Checks of what a caller hands over, before anything runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from onnx_ood.exceptions import UsageError
from onnx_ood.graph import Model, Tensor, format_shape

Array = NDArray[np.generic]
FloatArray = NDArray[np.floating]

# Element types that numpy can hold, nudge and reduce.
FLOATS = ("float16", "float32", "float64")
_INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
_NUMBERS = (*FLOATS, *_INTEGERS, "bool")


class Feed(NamedTuple):
    """The value of an input that is not nudged.

    Attributes:
        value: The array to feed.
        batched: True if its first axis has one entry for each input of the batch.
    """

    value: Array
    batched: bool

    def at(self, inputs: list[int]) -> Array:
        """What a run with these inputs of the batch is fed."""
        return self.value[inputs] if self.batched else self.value

    @property
    def share_shape(self) -> tuple[int, ...]:
        """The shape that one input is fed."""
        return self.value.shape[1:] if self.batched else self.value.shape


def find_site(model: Model, name: str | None) -> Tensor:
    """The graph input that will be nudged.

    Args:
        model: The model.
        name: Its name, or None for the only input of floats.

    Returns:
        The input's entry in the catalogue.

    Raises:
        UsageError: If there is no such input, it is no floating-point tensor, or None is ambiguous.
    """
    usable = [tensor for tensor in model.inputs if tensor.dtype in FLOATS]
    if name is None:
        if len(usable) == 1:
            return usable[0]
        listed = ", ".join(f"{tensor.name} ({tensor.dtype})" for tensor in model.inputs) or "none"
        problem = "has several inputs of floats" if usable else "has no input of floats to nudge"
        raise UsageError(f"{model.path} {problem}; name the site. Its inputs: {listed}")
    for tensor in usable:
        if tensor.name == name:
            return tensor
    known = ", ".join(tensor.name for tensor in usable) or "none"
    raise UsageError(f"{name!r} is not an input of floats of {model.path}; such inputs: {known}")


def fixed_rows(site: Tensor) -> int | None:
    """The batch size that is written into the model, or None if it takes any."""
    first = site.shape[0] if site.shape else None
    return first if isinstance(first, int) else None


def check_batch(batch: ArrayLike, site: Tensor) -> FloatArray:
    """Brings a batch into the site's dtype.

    Args:
        batch: Values of the site, [N, *input].
        site: The site.

    Returns:
        The batch as an array of the site's dtype.

    Raises:
        UsageError: If it is empty or its shape does not fit.
    """
    values: FloatArray
    try:
        # What overflows a small dtype shows as an infinite activation.
        with np.errstate(over="ignore"):
            values = np.asarray(batch, dtype=site.dtype)
    except (TypeError, ValueError) as error:
        raise UsageError(f"the batch for input {site.name!r} is no array of numbers: {error}") from None
    if values.ndim == 0 or len(values) == 0:
        raise UsageError(f"the batch for input {site.name!r} is empty")
    if site.shape is not None:
        fits = len(site.shape) == values.ndim and all(
            not isinstance(want, int) or want == got
            for want, got in zip(site.shape[1:], values.shape[1:], strict=True)
        )
        if not fits:
            raise UsageError(
                f"input {site.name!r} takes {format_shape(site.shape)}, but the batch is {list(values.shape)}"
            )
    return values


def check_nudges(nudges: ArrayLike, batch: FloatArray) -> FloatArray:
    """Checks nudges against the batch that they belong to.

    Args:
        nudges: [K, *input], shared by all inputs, or [N, K, *input].
        batch: The batch [N, *input].

    Returns:
        The nudges as [N, K, *input]; shared ones are repeated without a copy.

    Raises:
        UsageError: If they have another shape, are not floating-point numbers, or K is 0.
    """
    values = np.asarray(nudges)
    if not np.issubdtype(values.dtype, np.floating):
        raise UsageError(f"nudges must be floating-point numbers, but are {values.dtype}")
    if values.ndim == batch.ndim and values.shape[1:] == batch.shape[1:]:
        values = np.broadcast_to(values, (len(batch), *values.shape))
    if (
        values.ndim != batch.ndim + 1
        or values.shape[2:] != batch.shape[1:]
        or len(values) != len(batch)
        or values.shape[1] == 0
    ):
        dims = ", ".join(map(str, batch.shape[1:]))
        raise UsageError(
            f"nudges must be [K, {dims}] or [{len(batch)}, K, {dims}] with K ≥ 1, but are {list(np.shape(nudges))}"
        )
    return values


def check_others(others: Mapping[str, ArrayLike], model: Model, site: Tensor, count: int) -> dict[str, Feed]:
    """Checks the inputs that are not nudged.

    Args:
        others: Their values by name.
        model: The model.
        site: The nudged input.
        count: N, the number of inputs in the batch.

    Returns:
        What to feed, by name.

    Raises:
        UsageError: If one is missing, unknown, or has not N entries on its batch axis.
    """
    wanted = {tensor.name: tensor for tensor in model.inputs if tensor.name != site.name}
    for name in others:
        if name not in wanted:
            raise UsageError(
                f"{name!r} is not another input of the model; those are: {', '.join(wanted) or 'none'}"
            )
    checked: dict[str, Feed] = {}
    for name, tensor in wanted.items():
        if name not in others:
            raise UsageError(f"the model also needs input {name!r} ({tensor.dtype}): pass it by name")
        value = _converted(others[name], tensor)
        batched = value.ndim > 0 and _has_batch_axis(tensor, site)
        if batched and len(value) != count:
            raise UsageError(f"input {name!r} has {len(value)} rows for a batch of {count}")
        checked[name] = Feed(value, batched)
    return checked


def _converted(values: ArrayLike, tensor: Tensor) -> Array:
    """Brings numbers into the dtype that the model takes; what numpy has no dtype for is left to the runtime."""
    given = np.asarray(values)
    if tensor.dtype not in _NUMBERS or given.dtype == tensor.dtype:
        return given
    converted: Array
    with np.errstate(invalid="ignore", over="ignore"):
        converted = given.astype(tensor.dtype) if given.dtype.kind in "biuf" else given
    if converted is given or (tensor.dtype not in FLOATS and not np.array_equal(converted, given)):
        raise UsageError(
            f"input {tensor.name!r} takes {tensor.dtype}, which can't hold what was passed ({given.dtype})"
        )
    return converted


def _has_batch_axis(tensor: Tensor, site: Tensor) -> bool:
    if tensor.shape is None:
        return True
    # A first axis of another fixed size belongs to the tensor itself.
    return bool(tensor.shape) and (
        not isinstance(tensor.shape[0], int) or tensor.shape[0] == fixed_rows(site)
    )
