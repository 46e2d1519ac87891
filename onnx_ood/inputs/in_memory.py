"""Inputs held in memory: PIL images, arrays, and mappings of arrays for models of several inputs."""

import hashlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from onnx_ood._types import Array
from onnx_ood.exceptions import InputError, UsageError
from onnx_ood.inputs.assembly import Piece
from onnx_ood.inputs.files import FailedInput, quoted, reason_of
from onnx_ood.inputs.images import Channels, convert_image
from onnx_ood.inputs.rows.arrays import check_type, conversion_note, listed, to_type
from onnx_ood.inputs.rows.bundle import lacking
from onnx_ood.inputs.rows.picture_arrays import PictureLayout, as_image, picture_layout
from onnx_ood.inputs.rows.protocol import RowRequest
from onnx_ood.inputs.shapes import fits, shape_text

# Loading an image that was opened lazily is not thread-safe, and one object may be given twice.
_loading = threading.Lock()
_UNUSABLE = "holds NaN, infinity or a value outside the range of the model's type"


@dataclass(frozen=True, eq=False, slots=True)
class MemoryInput:
    """One input held in memory.

    Attributes:
        id: Name of the input in results, `inputs[3]`.
        value: A PIL image; an array without batch axis; or arrays by the name of the model's input.
    """

    id: str
    value: Image.Image | Array | Mapping[str, Array]

    @property
    def is_mapping(self) -> bool:
        """True for arrays by the names of the model's inputs."""
        return isinstance(self.value, Mapping)

    def is_picture(self, request: RowRequest) -> bool:
        """Return whether the input needs preprocessing before it is fed to a model.

        PIL images do. So do uint8 arrays that are pictures (see `picture_layout`), alone or under the input's name.

        Args:
            request: The model's input.
        """
        if isinstance(self.value, Image.Image):
            return True
        return self._layout(request) is not None

    def is_grey_array(self, request: RowRequest) -> bool:
        """Return whether the input is a picture in an array [H, W]."""
        return self._layout(request) == "HW"

    def _array(self, request: RowRequest) -> Array | None:
        value = self.value.get(request.name) if isinstance(self.value, Mapping) else self.value
        return value if isinstance(value, np.ndarray) else None

    def _layout(self, request: RowRequest) -> PictureLayout | None:
        array = self._array(request)
        return None if array is None else picture_layout(array.shape, array.dtype, request)

    def image(self, channels: Channels, request: RowRequest) -> Image.Image:
        """Return the picture, as `read_image` reads it from a file.

        Args:
            channels: `L` for grey; `RGB` and `BGR` both give RGB.
            request: The model's input.

        Raises:
            InputError: If the image is broken, too large, or of a mode without a stated white level.
        """
        if isinstance(self.value, Image.Image):
            if 0 in self.value.size:
                raise InputError(f"has no pixels ({self.value.width}x{self.value.height})")
            with _loading:
                return convert_image(self.value, channels)
        array, layout = self._array(request), self._layout(request)
        assert array is not None
        assert layout is not None
        return convert_image(as_image(array, layout), channels)

    def digest(self) -> bytes:
        """Digest of the content, equal for equal content.

        Raises:
            InputError: If an image that was opened lazily cannot be decoded.
        """
        digest = hashlib.blake2b(digest_size=16)
        values = self.value if isinstance(self.value, Mapping) else {"": self.value}
        for name, value in sorted(values.items()):
            try:
                with _loading:
                    array = np.asarray(value)
            except Exception as error:  # decoders raise nearly everything
                raise InputError(f"is a broken picture ({reason_of(error)})") from None
            digest.update(repr((name, array.shape, array.dtype.str)).encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.digest()


class MemoryRows:
    """Converts inputs in memory that are not pictures, and values that come with pictures, to the types of the model.

    Attributes:
        notes: Conversions that may surprise, each once.
    """

    def __init__(
        self, inputs: Sequence[MemoryInput], request: RowRequest, others: Sequence[RowRequest] | None
    ) -> None:
        """Check names, shapes and types. Values are checked by `take`.

        Args:
            inputs: Inputs that are not pictures, or mappings with a picture.
            request: The model's input.
            others: Further inputs of the model whose values come with each input.

        Raises:
            UsageError: If an input doesn't fit the model.
        """
        self._request = request
        self._others = tuple(others or ())
        self.notes: dict[str, None] = {}
        checked = set()
        for one in inputs:
            # The inputs of one array are alike: one check is enough.
            if (signature := self.signature(one)) not in checked:
                checked.add(signature)
                try:
                    self._check(self._values(one), picture=one.is_picture(request))
                except InputError as error:
                    raise UsageError(f"{one.id}: {error}") from None

    def signature(self, one: MemoryInput) -> object:
        """Names, shapes and types of an input's arrays."""
        return tuple((name, value.shape, value.dtype) for name, value in self._values(one).items())

    def size(self, one: MemoryInput) -> int:
        """Bytes of an input in the model's types."""
        values = self._values(one)
        return sum(values[request.name].size * request.dtype.itemsize for request in self._requests)

    def take(self, inputs: Sequence[MemoryInput]) -> Piece:
        """Convert some inputs, all of one shape and type.

        Args:
            inputs: Some of those that were checked.

        Returns:
            Their tensors. An input with NaN, infinity or a value out of range has failed.
        """
        values = [self._values(one) for one in inputs]
        converted, unusable = {}, np.zeros(len(inputs), np.bool_)
        for request in self._requests:
            rows = np.stack([value[request.name] for value in values])
            converted[request.name], bad = to_type(rows, request.dtype)
            unusable |= bad
        good = np.flatnonzero(~unusable).tolist()
        tensors = converted.pop(self._request.name)
        return Piece(
            [inputs[at].id for at in good],
            tensors[good],
            [FailedInput(inputs[at].id, _UNUSABLE) for at in np.flatnonzero(unusable).tolist()],
            [{name: rows[at] for name, rows in converted.items()} for at in good],
        )

    def others(self, one: MemoryInput) -> dict[str, Array]:
        """Convert the values of further inputs that come with a picture.

        Args:
            one: One of the inputs that were checked.

        Raises:
            InputError: If there are none, or one holds NaN, infinity or a value out of range.
        """
        if not one.is_mapping:
            raise InputError(lacking(self._others))
        found = {}
        for request in self._others:
            rows, bad = to_type(self._values(one)[request.name][np.newaxis], request.dtype)
            if bad.any():
                raise InputError(f"array {quoted(request.name)} {_UNUSABLE}")
            found[request.name] = rows[0]
        return found

    @property
    def _requests(self) -> tuple[RowRequest, ...]:
        return (self._request, *self._others)

    def _values(self, one: MemoryInput) -> Mapping[str, Array]:
        assert not isinstance(one.value, Image.Image)
        if isinstance(one.value, Mapping):
            return one.value
        # A list of batches of one input each, as the model takes them, is common.
        axis = self._request.stored_axis
        batch_of_one = one.value.ndim == len(self._request.share) + 1 and one.value.shape[axis] == 1
        return {self._request.name: np.take(one.value, 0, axis) if batch_of_one else one.value}

    def _check(self, values: Mapping[str, Array], *, picture: bool) -> None:
        names = [request.name for request in self._requests]
        if len(values) == 1 and self._request.name in values and self._others:
            raise InputError(lacking(self._others))
        for name in names:
            if name not in values:
                raise InputError(
                    f"holds no array {quoted(name)}, which the model takes; it holds: {listed([*values])}"
                )
        if extra := [name for name in values if name not in names]:
            raise InputError(f"holds an array {quoted(extra[0])}; expected: {listed(names)}")
        for request in self._others if picture else self._requests:
            value = values[request.name]
            axis = request.stored_axis
            if axis and fits(value.shape, request.share) and value.shape[axis - 1] == 1:
                raise InputError(
                    f"has shape {shape_text(value.shape)}: axis 0 of an array counts the inputs, but the model has "
                    f"them on axis {axis}; give the array with that axis first, or a list with an array for each input"
                )
            if not fits(value.shape, request.share):
                hint = (
                    "pictures are uint8 arrays [N,H,W,3] or [N,H,W]"
                    if len(request.shape) == 4 and len(values) == 1
                    else "axis 0 of an array counts the inputs"
                )
                raise InputError(
                    f"has shape {shape_text(value.shape)}, but the model takes {shape_text(request.share)}; {hint}"
                )
            check_type(value.dtype, request.dtype)
            if note := conversion_note(value.dtype, request.dtype):
                self.notes[note] = None
