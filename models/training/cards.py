"""Cards of the bundled models, with the measurements of the training scripts."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import onnx

MODELS = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Preprocessing:
    """Preprocessing of 8-bit pixels `v`: `(v / 255 - mean) / std`, after resize and crop.

    Attributes:
        channels: `RGB`, `BGR` or `L`, the order (and number) of the channels.
        layout: `NCHW` or `NHWC`.
        size: Height and width of the tensor.
        resize: `short-side`, `stretch` or `none`.
        resize_to: Length of the short side before the centre crop; None unless `resize` is `short-side`.
        interpolation: `nearest`, `bilinear`, `bicubic` or `lanczos`.
        mean: One number a channel, in units of `v / 255`.
        std: One number a channel, in units of `v / 255`.
    """

    channels: str
    layout: str
    size: tuple[int, int]
    resize: str
    resize_to: int | None
    interpolation: str
    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True)
class Accuracy:
    """A top-1 accuracy together with what it was measured on and how it was come by.

    Attributes:
        value: From 0 to 1.
        set: What it was measured on.
        how: How, in words.
        bits_per_character: The mean loss, for a model of text only; left out of other cards.
    """

    value: float
    set: str
    how: str
    bits_per_character: float | None = None


@dataclass(frozen=True)
class Description:
    """The part of a card that a person wrote; the rest is read off the finished file."""

    name: str
    summary: str
    origin: str
    licence: str
    made_by: str
    classes: str
    preprocessing: Preprocessing | None  # None for a model that takes no pictures


def write_card(model_path: Path, description: Description, accuracy: Accuracy) -> None:
    """Check a finished model and write its card next to it.

    The digest, the opset and the number of parameters are read back from the file, never passed in, so a card
    can't describe another file than its model's.
    """
    model = onnx.load(model_path)
    onnx.checker.check_model(model, full_check=True)
    card: dict[str, Any] = {
        "format": 1,
        "name": description.name,
        "summary": description.summary,
        "origin": description.origin,
        "licence": description.licence,
        "made_by": description.made_by,
        "sha256": hashlib.sha256(model_path.read_bytes()).hexdigest(),
        "opset": next(entry.version for entry in model.opset_import if entry.domain in {"", "ai.onnx"}),
        "parameters": count_parameters(model),
        "accuracy": {key: value for key, value in asdict(accuracy).items() if value is not None},
        "classes": description.classes,
        "preprocessing": asdict(description.preprocessing) if description.preprocessing else None,
    }
    model_path.with_suffix(".json").write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", "utf-8")


def count_parameters(model: onnx.ModelProto) -> int:
    """Count the floating-point numbers stored as initializers (shapes and other integers don't count)."""
    floating = {onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16}
    return sum(
        int(onnx.numpy_helper.to_array(tensor).size)
        for tensor in model.graph.initializer
        if tensor.data_type in floating
    )
