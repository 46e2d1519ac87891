"""What a model's inputs are fed: one by the rows of files, the others beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnx_ood.exceptions import InputError, UsageError
from onnx_ood.graph import Model, Tensor, format_shape
from onnx_ood.inputs import FEED_GRAMMAR, Batch, RowRequest, SharedValue, is_archive
from onnx_ood.results.base import FROM_FILES
from onnx_ood.runtime import batch_axis, can_feed


class Feeding:
    """Settles where the value of each input of a model comes from.

    Attributes:
        fed: The input that the rows of files are.
        from_files: The inputs whose values come with each row; None if the model has no other input at all.
    """

    def __init__(self, model: Model, fed: Tensor, feeds: Mapping[str, str]) -> None:
        """Checks what can be checked without an input.

        Args:
            model: The model.
            fed: The input that the rows of files are.
            feeds: Values that all inputs share, by the name of the model's input, as the user states them.

        Raises:
            UsageError: If a value doesn't fit, or an input can't be fed.
        """
        self._model = model
        self.fed = _wanted(model, fed, fed)
        others = [tensor for tensor in model.inputs if tensor.name != fed.name]
        wanted = [_wanted(model, tensor, fed) for tensor in others]
        self._shared = [self._value(one, feeds[one.name]) for one in wanted if one.name in feeds]
        self.from_files = tuple(one for one in wanted if one.name not in feeds) if others else None

    def _value(self, wanted: RowRequest, text: str) -> SharedValue:
        try:
            return SharedValue(text, wanted, self.fed)
        except InputError as error:
            raise UsageError(f"--feed {wanted.name}={text}: {error}") from None

    def check(self, paths: Sequence[Path]) -> None:
        """Refuses files none of which can hold what the model needs.

        Args:
            paths: The files of inputs.

        Raises:
            UsageError: If so; the ways out are named.
        """
        if self.from_files and paths and not any(map(is_archive, paths)):
            listed = ", ".join(
                f"{one.name} ({one.dtype.name} {format_shape(one.shape)})" for one in self.from_files
            )
            first = self.from_files[0].name
            raise UsageError(
                f"{self._model.path} also needs {listed}: state one value for all inputs with --feed {first}=VALUE "
                f"({FEED_GRAMMAR}), or save .npz files with an array for each of the model's inputs under its name"
            )

    def others(self, batch: Batch) -> dict[str, NDArray[Any]]:
        """The values of the other inputs for a batch, by name, as the model takes them."""
        rows = [(one, batch.others[one.name]) for one in self.from_files or ()]
        rows += [(one.wanted, one.rows(batch.tensors.shape)) for one in self._shared]
        return {
            # Copied, because a value that is repeated in place has no memory of its own to hand to the runtime.
            one.name: np.array(values[0]) if one.axis is None else np.moveaxis(values, 0, one.axis)
            for one, values in rows
        }

    @property
    def described(self) -> dict[str, str]:
        """Where the value of each other input came from, for the result."""
        shared = {one.wanted.name: one.text for one in self._shared}
        return {one.name: FROM_FILES for one in self.from_files or ()} | shared

    @property
    def notes(self) -> tuple[str, ...]:
        """What was guessed about shapes."""
        return tuple(
            f"The model leaves sizes of its input {one.wanted.name} {format_shape(one.wanted.shape)} open that the "
            f"inputs don't tell; 1 was taken. An .npy file states others: --feed {one.wanted.name}=FILE.npy"
            for one in self._shared
            if one.guessed
        )


def check_names(model: Model, feeds: Mapping[str, str]) -> None:
    """Checks the names of inputs that values are stated for.

    Args:
        model: The model.
        feeds: Values by name.

    Raises:
        UsageError: If the model has no such input, or none is left for the files.
    """
    names = [tensor.name for tensor in model.inputs]
    for name in feeds:
        if name not in names:
            raise UsageError(
                f"--feed {name}={feeds[name]}: {model.path} has no input {name!r}; it has: "
                f"{', '.join(names) or 'none'}"
            )
    if names and all(name in feeds for name in names):
        raise UsageError(
            f"every input of {model.path} has a --feed ({', '.join(names)}): leave out the one that the files hold"
        )


def _wanted(model: Model, tensor: Tensor, fed: Tensor) -> RowRequest:
    if tensor.shape is None:
        raise UsageError(
            f"{model.path} does not state the rank of input {tensor.name!r}; use onnx_ood.measure"
        )
    if not can_feed(tensor):
        raise UsageError(
            f"input {tensor.name!r} of {model.path} takes {tensor.dtype}, not numbers that numpy holds"
        )
    return RowRequest(
        tensor.name, tensor.shape, np.dtype(tensor.dtype), batch_axis(tensor, fed, len(tensor.shape))
    )
