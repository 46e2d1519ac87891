"""Paths that users give in Python."""

from __future__ import annotations

import os
from pathlib import Path

from onnx_ood.exceptions import InputTypeError, UsageError


def as_path(value: object, name: str) -> Path:
    """Check a path.

    Args:
        value: What the user gave.
        name: Name of the argument.

    Raises:
        InputTypeError: If it is not a str or path.
        UsageError: If it is empty or holds a null character.

    >>> as_path("model.onnx", "model").suffix
    '.onnx'
    """
    if not isinstance(value, str | os.PathLike):
        raise InputTypeError(
            f"{name}: expected a path, found {type(value).__name__}; give a str or pathlib.Path"
        )
    text = os.fsdecode(value)
    if not text:
        raise UsageError(f"{name}: an empty path names no file; give the path of a file")
    if "\0" in text:
        raise UsageError(f"{name}: {text!r} has a null character; give the path of a file")
    return Path(text)
