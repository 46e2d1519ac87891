"""Shapes of model inputs: comparison, and text for users."""

from collections.abc import Sequence

from onnx_ood._printable import shown


def fits(shape: Sequence[int], wanted: Sequence[int | str | None]) -> bool:
    """Return whether the model accepts a shape; axes that are not positive integers accept any size."""
    return len(shape) == len(wanted) and all(
        not isinstance(axis, int) or axis <= 0 or axis == size
        for size, axis in zip(shape, wanted, strict=True)
    )


def shape_text(shape: Sequence[int | str | None]) -> str:
    """Format a shape for users: `[N,3,224,224]`, with `?` for an axis without name or size."""
    return "[" + ",".join("?" if axis is None or axis == "" else shown(axis) for axis in shape) + "]"
