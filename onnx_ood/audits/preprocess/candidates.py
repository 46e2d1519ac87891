"""Candidate preprocessings: the conventions of frameworks and model zoos, as `--preprocess` specs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from onnx_ood.inputs import Preprocessing, parse

# Smaller pictures are stretched, as in `guess`.
_MIN_CROPPED_SIDE = 64

_COLOUR = {
    "0 to 1": "unit",
    "-1 to 1": "symmetric",
    "-0.5 to 0.5": "mean=0.5,std=1",
    "ImageNet mean/std": "imagenet",
    "0 to 255": "bytes",
}
# Caffe's mean, in the order B, G, R: 103.939, 116.779 and 123.68 of 255. Reversed for RGB.
_CAFFE = ("0.4076039", "0.4579569", "0.4850196")
_GREY = {
    "0 to 1": "unit",
    "-1 to 1": "symmetric",
    "-0.5 to 0.5": "mean=0.5,std=1",
    "0 to 255": "bytes",
    "-127.5 to 127.5": "mean=0.5,std=0.0039215686",
    "MNIST mean/std": "mean=0.1307,std=0.3081",
    "Fashion-MNIST mean/std": "mean=0.286,std=0.353",
}

Shape = Sequence[int | str | None]


@dataclass(frozen=True)
class Candidate:
    """One candidate preprocessing.

    Attributes:
        name: Name in reports.
        values: Channels, mean and deviation in the grammar of `onnx_ood.inputs.parse`.
        resize: Geometry, in the same grammar.
        preprocessing: The parsed spec.
    """

    name: str
    values: str
    resize: str
    preprocessing: Preprocessing

    @property
    def spec(self) -> str:
        """The candidate as a `--preprocess` spec."""
        return f"{self.values},{self.resize}"


def value_candidates(input_shape: Shape) -> tuple[Candidate, ...]:
    """List candidate ranges, means and deviations, all with the same geometry.

    Colour pictures are tried in both channel orders. Similar means and deviations (those of ImageNet, CIFAR-10 and
    CLIP) share one candidate.

    Args:
        input_shape: The model input's shape with its batch axis.

    Returns:
        12 candidates for colour, 7 for grey; the first keeps values from 0 to 1, in RGB or grey.

    Raises:
        UsageError: If the shape is not one of pictures, or is ambiguous.
    """
    plain = parse("unit", input_shape)
    resize = "stretch" if min(plain.size) < _MIN_CROPPED_SIDE else "short-side"
    if plain.channels == "L":
        named = [(name, f"{spec},L") for name, spec in _GREY.items()]
    else:
        named = [
            (f"{name}, {order}", f"{spec},{order}")
            for order in ("RGB", "BGR")
            for name, spec in {**_COLOUR, "0 to 255 - Caffe mean": _caffe(order)}.items()
        ]
    return tuple(_candidate(name, values, resize, input_shape) for name, values in named)


def resize_candidates(chosen: Candidate, input_shape: Shape) -> tuple[Candidate, ...]:
    """List candidate geometries, all with the values of one candidate.

    Args:
        chosen: The candidate that provides the values.
        input_shape: The model input's shape with its batch axis.

    Returns:
        Stretching, and three sizes of the central crop. One of them is the geometry of `value_candidates`.
    """
    longer = max(chosen.preprocessing.size)
    named = {
        "stretched": "stretch",
        "centre, all of the short side": f"short-side,resize-to={longer}",
        "centre, 7/8 of the short side": "short-side",
        "centre, 3/4 of the short side": f"short-side,resize-to={round(longer * 4 / 3)}",
    }
    return tuple(_candidate(name, chosen.values, resize, input_shape) for name, resize in named.items())


def _caffe(order: str) -> str:
    mean = _CAFFE if order == "BGR" else _CAFFE[::-1]
    return f"mean={':'.join(mean)},std=0.0039215686"


def _candidate(name: str, values: str, resize: str, input_shape: Shape) -> Candidate:
    return Candidate(name, values, resize, parse(f"{values},{resize}", input_shape))
