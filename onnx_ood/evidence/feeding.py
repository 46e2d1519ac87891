"""Values of a model's inputs: one takes the rows of the inputs, the others take feeds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnx_ood._dialect import named_feed
from onnx_ood.evidence.preprocessing_choice import row_request
from onnx_ood.exceptions import InputError, ModelError, UsageError
from onnx_ood.graph import FedInput, Model, Tensor, format_shape
from onnx_ood.inputs import FEED_GRAMMAR, Batch, InputSource, RowRequest, SharedValue, role_of
from onnx_ood.results.base import FROM_FILES
from onnx_ood.runtime import batch_axis, can_feed

# Axes of an array in numpy.
MAX_AXES = 64
# Values that tokens without padding have, by the role of an input.
_COMPANIONS = {"mask": "ones", "types": "zeros"}


class Feeding:
    """Sources of the values of a model's inputs.

    Attributes:
        input: The model input that takes the rows.
        fed: Request for its rows.
        from_files: Requests for the model inputs whose values come with each row; None if the model has one input.
    """

    def __init__(self, model: Model, fed: FedInput, feeds: Mapping[str, str]) -> None:
        """Check all that does not take an input.

        Args:
            model: The model.
            fed: Model input that takes the rows.
            feeds: Values that all inputs share, by name of the model input, as the user states them.

        Raises:
            UsageError: If a value does not fit, or an input cannot be fed.
        """
        self._model, self.input = model, fed
        self.fed = _wanted(model, fed, fed)
        others = [tensor for tensor in model.inputs if tensor.name != fed.name]
        wanted = [_wanted(model, tensor, fed) for tensor in others]
        self._shared = [self._value(one, feeds[one.name]) for one in wanted if one.name in feeds]
        self._assumed: dict[str, str] = {}
        self.from_files = tuple(one for one in wanted if one.name not in feeds) if others else None

    def _value(self, wanted: RowRequest, text: str) -> SharedValue:
        try:
            return SharedValue(text, wanted, self.fed)
        except InputError as error:
            raise UsageError(f"{named_feed(wanted.name, text)}: {error}") from None

    def check(self, source: InputSource) -> None:
        """Refuse inputs that cannot hold the values that the model needs.

        Args:
            source: The inputs.

        Raises:
            UsageError: If no input is an .npz file or a mapping, though other model inputs need values.
        """
        if self.from_files and source.items and not source.can_feed_several:
            companions = {one.name: _COMPANIONS.get(role_of(one.name)) for one in self.from_files}
            # Ids come alone: what their mask and types are is known.
            if role_of(self.fed.name) == "ids" and all(companions.values()):
                self._shared += [self._value(one, companions[one.name] or "") for one in self.from_files]
                self._assumed = {name: text for name, text in companions.items() if text}
                self.from_files = ()
                return
            listed = ", ".join(
                f"{one.name} ({one.dtype.name} {format_shape(one.shape)})" for one in self.from_files
            )
            first = self.from_files[0].name
            raise UsageError(
                f"{self._model.path} also needs {listed}; give one value for all inputs with "
                f"{named_feed(first, 'VALUE')} ({FEED_GRAMMAR}), or .npz files (in Python also a mapping) with "
                "an array for each model input under its name"
            )

    def others(self, batch: Batch) -> dict[str, NDArray[Any]]:
        """Return the values of the other inputs for a batch by name, as the model takes them."""
        rows = [(one, batch.others[one.name]) for one in self.from_files or ()]
        rows += [(one.wanted, one.rows(batch.tensors.shape)) for one in self._shared]
        return {
            # Copied: a value repeated by broadcasting has no memory of its own for the runtime.
            one.name: np.array(values[0]) if one.axis is None else np.moveaxis(values, 0, one.axis)
            for one, values in rows
        }

    @property
    def described(self) -> dict[str, str]:
        """Source of the value of each other input, for results."""
        shared = {one.wanted.name: one.text for one in self._shared}
        return {one.name: FROM_FILES for one in self.from_files or ()} | shared

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on guessed shapes."""
        assumed = " and ".join(f"{name}={text}" for name, text in self._assumed.items())
        assumption = f"The inputs hold only {self.fed.name}; {assumed} was fed: no token is padding."
        return (assumption,) * bool(assumed) + tuple(
            f"The model input {one.wanted.name} {format_shape(one.wanted.shape)} has open sizes that the inputs do "
            "not determine; 1 was taken. Feed an .npy file for other sizes."
            for one in self._shared
            if one.guessed
        )


def check_names(model: Model, feeds: Mapping[str, str]) -> None:
    """Check the names of model inputs with feeds.

    Args:
        model: The model.
        feeds: Values by name.

    Raises:
        UsageError: If the model has no such input, or no input is left for the rows.
    """
    names = [tensor.name for tensor in model.inputs]
    for name in feeds:
        if name not in names:
            raise UsageError(
                f"{named_feed(name, feeds[name])}: {model.path} has no input {name!r}; it has: "
                f"{', '.join(names) or 'none'}"
            )
    if names and all(name in feeds for name in names):
        raise UsageError(
            f"every input of {model.path} has a feed ({', '.join(names)}); leave out the one that takes the inputs"
        )


def _wanted(model: Model, tensor: Tensor, fed: FedInput) -> RowRequest:
    if tensor.shape is None:
        raise UsageError(
            f"{model.path} does not state the rank of input {tensor.name!r}; use onnx_ood.measure"
        )
    if len(tensor.shape) > MAX_AXES:
        raise ModelError(
            f"{model.path}: input {tensor.name!r} has {len(tensor.shape)} axes, and arrays have at most {MAX_AXES}"
        )
    if not can_feed(tensor):
        raise UsageError(
            f"input {tensor.name!r} of {model.path} takes {tensor.dtype}, not numbers that numpy holds"
        )
    if tensor is fed:
        return row_request(fed)
    axis = batch_axis(tensor, fed, len(tensor.shape))
    return RowRequest(tensor.name, tensor.shape, np.dtype(tensor.dtype), axis)
