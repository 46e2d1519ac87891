"""Presets of preprocessing, the parser of its specification, and a guess from the model's input."""

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, get_args

from pydantic import ValidationError

from onnx_ood._arguments import checked
from onnx_ood._dialect import named
from onnx_ood.exceptions import UsageError
from onnx_ood.inputs.files import quoted
from onnx_ood.inputs.images import Channels
from onnx_ood.inputs.preprocessing.spec import Decode, Interpolation, Layout, Preprocessing, Resize
from onnx_ood.inputs.schema_errors import first_error
from onnx_ood.inputs.shapes import shape_text

Shape = Sequence[int | str | None]

_IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
_SYMMETRIC = {"mean": (0.5,), "std": (0.5,)}

PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "imagenet": {"resize": "short-side", **_IMAGENET},
        "inception": {"resize": "short-side", **_SYMMETRIC},
        "tf": {"resize": "short-side", **_SYMMETRIC},
        "unit": {"resize": "stretch", "mean": (0.0,), "std": (1.0,)},
        "symmetric": {"resize": "stretch", **_SYMMETRIC},
        "bytes": {"resize": "stretch", "mean": (0.0,), "std": (1 / 255,)},
    }
)
"""Fields that each preset sets, for RGB; size, layout and channels come from the model's input.

imagenet: ImageNet's mean and standard deviation; inception, tf, symmetric: values from -1 to 1; unit: 0 to 1; bytes: 0
to 255. imagenet, inception and tf crop the centre, the others stretch.
"""

_DEFAULT_SIDE = 224
# Below this side, a centre crop would throw away most of the little that there is to see.
_MIN_CROPPED_SIDE = 64


_GUESSED = "guessed"
_INTEGERS = frozenset({"int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"})


@dataclass(frozen=True)
class Chosen:
    """A preprocessing and its source.

    Attributes:
        preprocessing: The preprocessing.
        source: Source, for the user: "card models/x.json", "stated: imagenet", "guessed ...".
        applies: Inputs that are pictures and go through it; `none` if all are arrays that are fed as they are.
    """

    preprocessing: Preprocessing
    source: str
    applies: Literal["all", "some", "none"] = "all"

    def describe(self) -> str:
        """One line on the preprocessing, its source, and the inputs that it is not applied to."""
        text = f"{self.preprocessing.describe()} ({self.source})"
        if self.applies == "none":
            return f"not applied: all inputs are arrays, fed as they are; known for pictures: {text}"
        return f"{text}; not applied to arrays, fed as they are" if self.applies == "some" else text

    @property
    def guessed(self) -> bool:
        """True if the preprocessing is a guess."""
        return self.source.startswith(_GUESSED)


def guess(input_shape: Shape, dtype: str | None = None) -> Chosen:
    """Guess the most common preprocessing for an input of this shape.

    Three channels of at least 64 x 64 pixels: `imagenet`. Smaller: the same values, stretched. One
    channel: `unit`. Integers: `bytes`, certain for uint8. An unknown height or width counts as 224.

    Args:
        input_shape: The model input's shape with its batch axis, NCHW or NHWC.
        dtype: Element type of the input; None if unknown.

    Raises:
        UsageError: If the shape is none of pictures, or is ambiguous.
    """
    if dtype in _INTEGERS:
        known = f"the input holds {dtype}, so values are 0 to 255"
        source = known if dtype == "uint8" else f"{_GUESSED}: {known}; check it"
        return Chosen(_build({}, "bytes", input_shape), source)
    source = f"{_GUESSED} from input shape {shape_text(input_shape)}: not stated by the file, check it"
    return Chosen(_build({}, None, input_shape), source)


@checked
def parse(text: str, input_shape: Shape) -> Preprocessing:
    """Parse a specification of preprocessing: words separated by commas, in any order and case.

    - a preset: imagenet, inception, tf, unit, symmetric, bytes. By default the rule of `guess`;
    - channels: RGB, BGR, L; layout: NCHW, NHWC; resize: short-side, stretch, none;
      interpolation: nearest, bilinear, bicubic, lanczos; decode: full, draft;
    - size=299 or size=HEIGHTxWIDTH; resize-to=342;
    - mean=0.485:0.456:0.406 and std=...: one value, or one per channel, in the order of the model's
      channels. Values of a preset are for R, G, B, and reversed for BGR.

    The rest comes from the model's input shape.

    Args:
        text: The specification.
        input_shape: The model input's shape with its batch axis.

    Raises:
        UsageError: If a word is unknown or given twice, or words contradict each other or the input.

    >>> parse("unit,bicubic,size=32", [None, 3, None, None]).describe()
    'RGB, stretched to 32x32 (bicubic), mean 0, std 1, NCHW'
    """
    preset: str | None = None
    given: dict[str, Any] = {}
    for word in text.split(","):
        field, value = _parse_word(word.strip())
        if field in given or (field == "preset" and preset is not None):
            raise UsageError(f"{_setting()} {quoted(text)}: {field} is given twice")
        if field == "preset":
            preset = value
        else:
            given[field] = value
    return _build(given, preset, input_shape)


def crop_note(preprocessing: Preprocessing, size: tuple[int, int]) -> str:
    """Note on a picture of exactly the model's size of which a part is cropped; empty for others.

    Args:
        preprocessing: The preprocessing.
        size: (height, width) of the picture.
    """
    side = preprocessing.resize_to
    if side is None or size != preprocessing.size or side == min(size):
        return ""
    height, width = size
    lost = 1 - (min(size) / side) ** 2
    whole = preprocessing.model_copy(update={"resize": "stretch", "resize_to": None})
    return (
        f"Pictures of {height}x{width}, the model's own size, are enlarged and cropped: {lost:.0%} of each is lost. "
        f"If they were cropped before, keep all of them: {named('preprocess', _spec(whole))}."
    )


def _spec(preprocessing: Preprocessing) -> str:
    """Write a preprocessing without its size as `parse` reads it."""
    values = (preprocessing.mean, preprocessing.std)
    upright = tuple(one[::-1] for one in values) if preprocessing.channels == "BGR" else values
    known = (name for name, one in PRESETS.items() if (one["mean"], one["std"]) == upright)
    words = [
        next(known, ""),
        preprocessing.channels if preprocessing.channels == "BGR" else "",
        preprocessing.resize,
        preprocessing.interpolation if preprocessing.interpolation != "bilinear" else "",
    ]
    if not words[0]:
        words[0] = ",".join(
            f"{name}={':'.join(map(str, one))}" for name, one in zip(("mean", "std"), values, strict=True)
        )
    return ",".join(filter(None, words))


def _setting() -> str:
    return named("preprocess")


def _words() -> dict[str, tuple[str, str]]:
    choices = {
        "channels": Channels,
        "layout": Layout,
        "resize": Resize,
        "interpolation": Interpolation,
        "decode": Decode,
    }
    words = {
        str(word).lower(): (field, word) for field, choice in choices.items() for word in get_args(choice)
    }
    return words | {name: ("preset", name) for name in PRESETS}


_WORDS = _words()


def _size(text: str) -> tuple[int, int]:
    height, _, width = text.lower().partition("x")
    return int(height), int(width or height)


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(float(number) for number in text.split(":"))


_KEYS: dict[str, tuple[str, Callable[[str], Any], str]] = {
    "size": ("size", _size, "size=299 or size=HEIGHTxWIDTH"),
    "resize-to": ("resize_to", int, "resize-to=256"),
    "mean": ("mean", _numbers, "mean=0.5 or mean=0.485:0.456:0.406"),
    "std": ("std", _numbers, "std=0.5 or std=0.229:0.224:0.225"),
}


def _parse_word(word: str) -> tuple[str, Any]:
    """Parse a word to its field and value."""
    key, equals, value = word.partition("=")
    if equals and key.lower() in _KEYS:
        field, read, example = _KEYS[key.lower()]
        try:
            return field, read(value)
        except ValueError:
            raise UsageError(f"{_setting()} {quoted(word)}: cannot be read; write {example}") from None
    if word.lower() in _WORDS:
        return _WORDS[word.lower()]
    known = [*_WORDS, *(f"{key}=" for key in _KEYS)]
    near = difflib.get_close_matches(word.lower(), known, 1)
    spelt = [*(value for _, value in _WORDS.values()), *(f"{key}=..." for key in _KEYS)]
    hint = f"did you mean {spelt[known.index(near[0])]!r}? " if near else ""
    raise UsageError(f"{_setting()}: unknown word {quoted(word)}; {hint}choose from {', '.join(spelt)}")


def _build(given: dict[str, Any], preset: str | None, input_shape: Shape) -> Preprocessing:
    layout, channels, size = _read_shape(input_shape, given)
    if preset is not None:
        fixed = dict(PRESETS[preset])
    elif channels == "L":
        fixed = dict(PRESETS["unit"])
    else:
        fixed = dict(PRESETS["imagenet"])
        if min(size) < _MIN_CROPPED_SIDE:
            fixed["resize"] = "stretch"
    if channels == "BGR":
        fixed["mean"], fixed["std"] = fixed["mean"][::-1], fixed["std"][::-1]
    fields = fixed | given | {"layout": layout, "channels": channels, "size": size}
    try:
        made = Preprocessing(**fields)
    except ValidationError as error:
        raise UsageError(f"{_setting()}: {first_error(error, Preprocessing)}") from None
    made.check_input(input_shape)
    return made


def _read_shape(shape: Shape, given: Mapping[str, Any]) -> tuple[str, str, tuple[int, int]]:
    """(layout, channels, (height, width)) from the model's input and the specification."""
    what = f"the model's input {shape_text(shape)}"
    arrays = "pass arrays (.npy, .npz) as the model takes them"
    if len(shape) != 4:
        raise UsageError(f"{what} does not look like a picture; {arrays}")
    counts = {1: "L", 3: "RGB"}
    if "channels" in given:
        counts = {1 if given["channels"] == "L" else 3: given["channels"]}
    layouts = [given["layout"]] if "layout" in given else ["NCHW", "NHWC"]
    found = [
        (layout, counts[count]) for layout in layouts if (count := _known(_axes(shape, layout)[0])) in counts
    ]
    if not found and "channels" in given:  # an axis of unknown length may be the one
        found = [
            (layout, given["channels"]) for layout in layouts if _known(_axes(shape, layout)[0]) is None
        ][:1]
    if not found:
        raise UsageError(
            f"{what} has no recognisable axis of 1 or 3 channels; {arrays}, "
            f"or give channels and layout, as in {named('preprocess', 'RGB,NCHW')}"
        )
    if len(found) > 1:
        raise UsageError(f"{what} may be NCHW or NHWC; choose one, as in {named('preprocess', 'NCHW')}")
    layout, channels = found[0]
    _, height, width = _axes(shape, layout)
    size = given.get("size", (_known(height) or _DEFAULT_SIDE, _known(width) or _DEFAULT_SIDE))
    return layout, channels, size


def _axes(shape: Shape, layout: str) -> tuple[int | str | None, int | str | None, int | str | None]:
    """(channels, height, width) of a shape with four axes."""
    _, a, b, c = shape
    return (a, b, c) if layout == "NCHW" else (c, a, b)


def _known(axis: int | str | None) -> int | None:
    """Return the length of an axis if it is fixed, else None."""
    return axis if isinstance(axis, int) and axis > 0 else None
