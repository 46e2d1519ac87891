"""Features as flat named arrays, for files without pickle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from onnx_ood._types import Array
from onnx_ood.detectors import AlteredReferences, Features
from onnx_ood.runtime import ChannelStatistics


def pack(value: Any, name: str) -> dict[str, Array]:
    """Flatten a value of features to arrays, with dots between the names of nested parts.

    Args:
        value: An array, a tuple, channel statistics, features, or None for no arrays.
        name: Name of the value.

    """
    if value is None:
        return {}
    if isinstance(value, tuple):
        inner = {str(place): one for place, one in enumerate(value)}
    elif isinstance(value, ChannelStatistics | Features | AlteredReferences):
        inner = {field.name: getattr(value, field.name) for field in fields(value)}
    else:
        return {name: value}
    arrays: dict[str, Array] = {}
    for part, one in inner.items():
        arrays |= pack(one, f"{name}.{part}")
    return arrays


def unpack(arrays: Mapping[str, Array], name: str) -> Any:
    """Restore a value that `pack` flattened.

    Args:
        arrays: Arrays by name.
        name: Name of the value.

    Returns:
        The value; None without arrays of that name. Empty tuples become None.
    """
    if name in arrays:
        return arrays[name]
    start = f"{name}."
    parts = {one.removeprefix(start).partition(".")[0] for one in arrays if one.startswith(start)}
    if not parts:
        return None
    values = {part: unpack(arrays, start + part) for part in parts}
    if all(part.isdecimal() for part in parts):
        return tuple(values[str(place)] for place in range(len(values)))
    for kind in (ChannelStatistics, AlteredReferences):
        if parts == {field.name for field in fields(kind)}:
            return kind(**values)
    return Features(**values)
