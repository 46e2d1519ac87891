"""Preprocessing of pictures as data: validated, comparable, and stored in model cards."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from onnx_ood._dialect import named
from onnx_ood.exceptions import InputError, UsageError
from onnx_ood.inputs.files import name_of
from onnx_ood.inputs.images import MAX_PIXELS, Channels, as_channels, read_image
from onnx_ood.inputs.shapes import fits, shape_text

Layout = Literal["NCHW", "NHWC"]
Resize = Literal["short-side", "stretch", "letterbox", "none"]
Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos"]
Decode = Literal["full", "draft"]

_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}

_Side = Annotated[int, Field(ge=1, le=MAX_PIXELS)]
_Mean = Annotated[float, Field(ge=-1e6, le=1e6)]
_Std = Annotated[float, Field(ge=1e-6, le=1e6)]


# Least ratio of the side of a JPEG decoded as a draft to the side it is resized to.
_MIN_DRAFT_RATIO = 2
# Around letterboxed pictures.
_GREY = 114


class Preprocessing(BaseModel):
    """Preprocessing of one picture: geometry, then tensor = (v / 255 - mean) / std.

    "Pixels" are values v / 255 in [0, 1] in the model's layout; "tensor" is the model's input. Both are
    float32 of shape [C, H, W] (NCHW) or [H, W, C] (NHWC), without a batch axis.

    Geometry follows torchvision's transforms on PIL images (Pillow resamples with antialiasing):

    - `short-side`: the shorter side becomes `resize_to`, the longer int(resize_to * long / short),
      truncated; a picture whose shorter side is `resize_to` already is not resized. Then the centre of `size` is
      cropped, from round((resized - size) / 2), halves to even.
    - `stretch`: resized to `size`, ignoring its aspect ratio.
    - `letterbox`: resized to fit into `size`, keeping its aspect ratio, and centred on grey (114), as Ultralytics does.
    - `none`: the picture must have `size` already.

    Attributes:
        channels: Channels in the order of the model; `mean` and `std` follow it.
        layout: Position of the channel axis.
        size: (height, width) of the model's input, in pixels.
        resize: Way to bring a picture to `size`.
        resize_to: Length of the shorter side before the crop, in pixels; only for `short-side`. By default
            the larger side of `size` times 256 / 224, to the nearest integer (224: 256, 299: 342).
        interpolation: Resampling filter.
        decode: `draft` decodes large JPEGs to a half, a quarter or an eighth of their size, still at least twice
            the size they are resized to. Faster, but other pixels than in training: cosine drops change.
        mean: One value, or one per channel, in units of v / 255.
        std: One value, or one per channel, in units of v / 255.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    channels: Channels
    layout: Layout
    size: tuple[_Side, _Side]
    resize: Resize
    resize_to: Annotated[_Side | None, Field(validate_default=True)] = None
    interpolation: Interpolation = "bilinear"
    decode: Decode = "full"
    mean: tuple[_Mean, ...] = (0.0,)
    std: tuple[_Std, ...] = (1.0,)

    @field_validator("size")
    @classmethod
    def _bounded(cls, size: tuple[int, int]) -> tuple[int, int]:
        if size[0] * size[1] > MAX_PIXELS:
            raise ValueError(f"{size[0]}x{size[1]} is over the limit of {MAX_PIXELS:,} pixels")
        return size

    @field_validator("resize_to")
    @classmethod
    def _resize_to_where_it_counts(cls, resize_to: int | None, info: ValidationInfo) -> int | None:
        # Filled in here, so that leaving it out and writing the default are equal.
        if "resize" not in info.data or "size" not in info.data:
            return resize_to  # these are wrong themselves, and reported
        longer: int = max(info.data["size"])
        if info.data["resize"] != "short-side":
            if resize_to is not None:
                raise ValueError(f"has no effect with resize {info.data['resize']!r}; leave it out")
            return None
        if resize_to is None:
            return (longer * 256 + 112) // 224
        if resize_to < longer:
            raise ValueError(f"is {resize_to}, too small to crop {longer} pixels")
        return resize_to

    @model_validator(mode="after")
    def _one_value_a_channel(self) -> Self:
        for field, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in (1, self.channel_count):
                raise ValueError(
                    f"{field} has {len(values)} values; {self.channels} takes one"
                    + ("" if self.channel_count == 1 else f" or {self.channel_count}")
                )
        return self

    @property
    def channel_count(self) -> int:
        """1 for grey, else 3."""
        return 1 if self.channels == "L" else 3

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of one sample: (C, H, W) or (H, W, C)."""
        count, (height, width) = self.channel_count, self.size
        return (count, height, width) if self.layout == "NCHW" else (height, width, count)

    @property
    def gain(self) -> npt.NDArray[np.float32]:
        """Change of the tensor per change in pixels, 1 / std: [C, 1, 1] or [C], float32.

        A nudge `d` in pixels is the nudge `d * gain` in the tensor, at any number of batch axes.
        """
        return (1 / self._spread(self.std)).astype(np.float32)

    def pixels(self, image: Image.Image) -> npt.NDArray[np.float32]:
        """Resize a picture and scale it to [0, 1].

        Args:
            image: A PIL image of any mode that `as_channels` takes. Its EXIF orientation is ignored:
                `read_image` has applied it.

        Returns:
            float32 of `shape`, in [0, 1], contiguous.

        Raises:
            InputError: If the picture's size does not fit; without a file name.
        """
        resized = self._to_size(as_channels(image, self.channels))
        values = np.asarray(resized)
        if values.ndim == 2:
            values = values[..., np.newaxis]
        if self.channels == "BGR":
            values = values[..., ::-1]
        if self.layout == "NCHW":
            values = values.transpose(2, 0, 1)
        pixels: npt.NDArray[np.float32] = np.divide(values, np.float32(255), dtype=np.float32, order="C")
        return pixels

    def normalise(self, pixels: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float32]:
        """(pixels - mean) / std, rounded once, to float32; any leading batch axes are kept."""
        # In float64 between: so `bytes` gives back whole numbers, which float32 throughout does not.
        mean, std = self._spread(self.mean), self._spread(self.std)
        tensors = np.empty(pixels.shape, np.float32)
        # One sample at a time: float64 of a whole batch would not fit into the caches.
        for source, target in zip(
            pixels.reshape(-1, *pixels.shape[-3:]), tensors.reshape(-1, *pixels.shape[-3:]), strict=True
        ):
            np.divide(source - mean, std, out=target, casting="same_kind")
        return tensors

    def denormalise(self, tensor: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float32]:
        """Tensor * std + mean, rounded once, to float32; leading batch axes are kept. Nothing is clipped."""
        return (tensor * self._spread(self.std) + self._spread(self.mean)).astype(np.float32)

    def read(self, path: Path) -> Image.Image:
        """Decode a picture file as the preprocessing states; raises the errors of `read_image`."""
        return read_image(path, self.channels, min_side=self._min_side)

    def tensor(self, path: Path) -> npt.NDArray[np.float32]:
        """Read a picture file as the model's input.

        Returns:
            float32 of `shape`.

        Raises:
            InputError: If the file cannot be read as a picture (see `read_image`) or its size does not fit.
        """
        image = self.read(path)
        try:
            return self.normalise(self.pixels(image))
        except InputError as error:
            raise InputError(f"{name_of(path)}: {error}") from None

    def describe(self) -> str:
        """One line for the user.

        >>> Preprocessing(channels="L", layout="NHWC", size=(28, 28), resize="stretch").describe()
        'L, stretched to 28x28 (bilinear), mean 0, std 1, NHWC'
        """
        height, width = self.size
        geometry = {
            "short-side": f"short side to {self.resize_to} ({self.interpolation}), centre {height}x{width}",
            "stretch": f"stretched to {height}x{width} ({self.interpolation})",
            "letterbox": f"letterboxed to {height}x{width} ({self.interpolation})",
            "none": f"exactly {height}x{width}",
        }[self.resize]
        mean, std = (" ".join(f"{value:.4g}" for value in values) for values in (self.mean, self.std))
        if self.decode == "draft":
            geometry = f"JPEGs in draft, {geometry}"
        return f"{self.channels}, {geometry}, mean {mean}, std {std}, {self.layout}"

    def check_input(self, input_shape: Sequence[int | str | None]) -> None:
        """Check that the model's input takes the result.

        Args:
            input_shape: The model input's shape, with its batch axis; axes other than positive
                integers accept any size.

        Raises:
            UsageError: If not; the message names both shapes.
        """
        if not fits(self.shape, input_shape[1:]):
            raise UsageError(
                f"the preprocessing gives {shape_text(('N', *self.shape))}, but the model takes "
                f"{shape_text(input_shape)}; choose another with {named('preprocess')}"
            )

    @property
    def _min_side(self) -> int | None:
        """Shortest side that a JPEG may be decoded to; None for the full size."""
        if self.decode == "full" or self.resize == "none":
            return None
        # Either side may turn out the height: the picture is turned upright later.
        return _MIN_DRAFT_RATIO * (self.resize_to or max(self.size))

    def _spread(self, values: tuple[float, ...]) -> npt.NDArray[np.float64]:
        """One value a channel, shaped to broadcast against samples in the model's layout."""
        full = np.array(values if len(values) > 1 else values * self.channel_count, np.float64)
        return full.reshape(-1, 1, 1) if self.layout == "NCHW" else full

    def _to_size(self, image: Image.Image) -> Image.Image:
        height, width = self.size
        if self.resize == "stretch":
            return image if image.size == (width, height) else self._resample(image, width, height)
        if self.resize == "letterbox":
            return self._letterbox(image)
        if self.resize == "none":
            if image.size != (width, height):
                raise InputError(
                    f"is {image.width}x{image.height} pixels (width x height), but exactly {width}x{height} "
                    f"is expected; resize it, or choose another resize with {named('preprocess')}"
                )
            return image
        assert self.resize_to is not None
        short, long = sorted(image.size)
        if short != self.resize_to:
            longer = int(self.resize_to * long / short)
            if self.resize_to * longer > MAX_PIXELS:
                raise InputError(
                    f"is {image.width}x{image.height} pixels, too long and thin to bring its short side to "
                    f"{self.resize_to}; crop it first"
                )
            if image.width <= image.height:
                image = self._resample(image, self.resize_to, longer)
            else:
                image = self._resample(image, longer, self.resize_to)
        left, top = round((image.width - width) / 2), round((image.height - height) / 2)
        return image.crop((left, top, left + width, top + height))

    def _letterbox(self, image: Image.Image) -> Image.Image:
        height, width = self.size
        scale = min(height / image.height, width / image.width)
        inner = max(1, round(image.width * scale)), max(1, round(image.height * scale))
        if image.size != inner:
            image = self._resample(image, *inner)
        canvas = Image.new(image.mode, (width, height), (_GREY,) * len(image.getbands()))
        # Of an odd margin, the smaller half comes first.
        canvas.paste(image, ((width - inner[0]) // 2, (height - inner[1]) // 2))
        return canvas

    def _resample(self, image: Image.Image, width: int, height: int) -> Image.Image:
        return image.resize((width, height), _FILTERS[self.interpolation])
