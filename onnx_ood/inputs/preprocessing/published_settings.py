"""Preprocessing and class names published with a model: metadata in the file, and configuration files next to it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from onnx_ood.exceptions import InputError, UsageError
from onnx_ood.inputs.files import name_of, open_regular
from onnx_ood.inputs.images import Channels
from onnx_ood.inputs.preprocessing.spec import Interpolation, Layout, Preprocessing

MAX_CONFIG_BYTES = 1 << 23
"""A larger configuration file is passed over: 21,000 class names take 2 MB."""

MAX_CLASSES = 1_000_000

Shape = Sequence[int | str | None]

# Entries of a dict or list of texts as Python writes them; nothing is evaluated.
_TEXT = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""
_NUMBERED = re.compile(rf"\s*(\d{{1,7}})\s*:\s*({_TEXT})\s*(?:,|(?=\}}))")
_LISTED = re.compile(rf"\s*({_TEXT})\s*(?:,|(?=\]))")
_RESAMPLE: dict[int, Interpolation] = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}
# Names that transformers writes if nobody has named the classes.
_PLACEHOLDER = re.compile(r"LABEL_\d+")
# Side from which ConvNeXt's processor stretches and no longer crops.
_CONVNEXT_LARGE = 384


@dataclass(frozen=True)
class Published:
    """Settings published with a model.

    Attributes:
        preprocessing: Preprocessing of pictures; None if none is published or it cannot be expressed.
        source: Where the preprocessing is stated; empty without.
        class_names: Class names by index; None if there are none.
    """

    preprocessing: Preprocessing | None = None
    source: str = ""
    class_names: tuple[str, ...] | None = None


def read_published(path: Path, metadata: Mapping[str, str], input_shape: Shape | None) -> Published:
    """Read what is published with a model.

    In this order: metadata in the file by Ultralytics; metadata `mean`, `std`, `input_size`, `interpolation` and
    `crop_pct` in timm's terms; `preprocessor_config.json` of transformers and `config.json` of timm in the model's
    folder, or in the one above a folder `onnx`. Class names come from `names` (Ultralytics), `label_names` (timm) and
    `id2label` (transformers). What cannot be read, or does not fit the model's input, is passed over.

    Args:
        path: The model file; it is not opened.
        metadata: Metadata in the file.
        input_shape: Shape of the input that takes pictures, with its batch axis; None if there is none.
    """
    folders = [path.parent, *([path.parent.parent] if path.parent.name == "onnx" else [])]
    processor_path, processor = _config(folders, "preprocessor_config.json")
    config_path, config = _config(folders, "config.json")
    inner = config.get("pretrained_cfg")
    timm: Mapping[str, Any] = inner if isinstance(inner, dict) else config
    names = (
        as_class_names(metadata.get("names"))
        or as_class_names(metadata.get("label_names"))
        or as_class_names(metadata.get("id2label"))
        or as_class_names(config.get("label_names"))
        or as_class_names(timm.get("label_names"))
        or as_class_names(config.get("id2label"))
    )
    if input_shape is None or len(input_shape) != 4:
        return Published(class_names=names)
    ultralytics = "Ultralytics" in (metadata.get("author", ""), metadata.get("description", "").split(" ")[0])
    stated = {key: _value(metadata[key]) for key in _TIMM_KEYS if key in metadata}
    candidates: list[tuple[Callable[[], Preprocessing | None], str]] = [
        (
            lambda: _ultralytics(metadata, input_shape) if ultralytics else None,
            "metadata of Ultralytics in the file",
        ),
        (lambda: _timm(stated, input_shape), "metadata in the file"),
        (lambda: _transformers(processor, input_shape), name_of(processor_path)),
        (lambda: _timm(timm, input_shape), name_of(config_path)),
    ]
    for read, source in candidates:
        # What strangers write into a configuration can be of any type.
        try:
            found = read()
            if found is not None:
                found.check_input(input_shape)
                return Published(found, source, names)
        except (
            UsageError,
            ValidationError,
            ArithmeticError,
            AttributeError,
            LookupError,
            TypeError,
            ValueError,
        ):
            continue
    return Published(class_names=names)


def _ultralytics(metadata: Mapping[str, str], shape: Shape) -> Preprocessing:
    size = _value(metadata.get("imgsz", ""))
    made: dict[str, Any] = {"size": _size(shape, "NCHW", size if isinstance(size, list) else None)}
    if metadata.get("task") == "classify":
        made |= {"resize": "short-side", "resize_to": max(made["size"])}
    else:
        made |= {"resize": "letterbox"}
    return Preprocessing(channels="RGB", layout="NCHW", **made)


_TIMM_KEYS = ("mean", "std", "input_size", "interpolation", "crop_pct", "crop_mode")


def _timm(config: Mapping[str, Any], shape: Shape) -> Preprocessing | None:
    if not {"mean", "std"} <= config.keys():
        return None
    wanted = config.get("input_size")
    size = _size(shape, _layout(shape), wanted[1:] if isinstance(wanted, list) else None)
    crop = float(config.get("crop_pct", 0.875))
    squash = config.get("crop_mode") == "squash"
    if squash and crop != 1:
        return None
    geometry: dict[str, Any] = {"resize": "stretch"}
    if not squash:
        geometry = {"resize": "short-side", "resize_to": math.floor(max(size) / crop)}
    return Preprocessing(
        channels=_channels(shape),
        layout=_layout(shape),
        size=size,
        interpolation=config.get("interpolation", "bicubic"),
        mean=_short(config["mean"]),
        std=_short(config["std"]),
        **geometry,
    )


def _transformers(config: Mapping[str, Any], shape: Shape) -> Preprocessing | None:
    if not {"image_mean", "size", "do_rescale", "do_normalize"} & config.keys():
        return None
    layout = _layout(shape)
    crops = bool(config.get("do_center_crop"))
    stated = config.get("size")
    short = stated.get("shortest_edge") if isinstance(stated, dict) else stated if crops else None
    whole = _sides(stated) if short is None else None
    crop = _sides(config.get("crop_size")) if crops else None
    size = _size(shape, layout, crop or whole)
    geometry: dict[str, Any] = {"resize": "none"}
    if config.get("do_resize", True):
        if short is not None:
            geometry = {"resize": "short-side", "resize_to": int(short)}
            if "crop_pct" in config:  # ConvNeXt
                large = short >= _CONVNEXT_LARGE
                size = _size(shape, layout, [short, short])
                geometry["resize_to"] = int(short / config["crop_pct"])
                geometry = {"resize": "stretch"} if large else geometry
        elif crop and whole and list(crop) != list(whole):
            return None
        else:
            geometry = {"resize": "stretch"}
    # (v * factor - offset - mean) / std, in units of v / 255.
    factor = 255 * float(config.get("rescale_factor", 1 / 255)) if config.get("do_rescale", True) else 255.0
    offset = 1.0 if config.get("rescale_offset") else 0.0
    mean, std = [0.0], [1.0]
    if config.get("do_normalize", True):
        mean, std = list(config["image_mean"]), list(config["image_std"])
    return Preprocessing(
        channels="BGR" if config.get("do_flip_channel_order") else _channels(shape),
        layout=layout,
        size=size,
        interpolation=_RESAMPLE[config.get("resample", 2)],
        mean=_short([(offset + one) / factor for one in mean]),
        std=_short([one / factor for one in std]),
        **geometry,
    )


def _short(values: Sequence[float]) -> tuple[float, ...]:
    """One value if all channels have the same, as presets write it."""
    return (values[0],) if len(set(values)) == 1 else tuple(values)


def _layout(shape: Shape) -> Layout:
    return "NHWC" if shape[3] in (1, 3) and shape[1] not in (1, 3) else "NCHW"


def _channels(shape: Shape) -> Channels:
    return "L" if (shape[1] if _layout(shape) == "NCHW" else shape[3]) == 1 else "RGB"


def _sides(size: Any) -> list[int] | None:
    if isinstance(size, dict):
        return [size["height"], size["width"]] if "height" in size else None
    return None if size is None else [size, size] if isinstance(size, int) else list(size)


def _size(shape: Shape, layout: str, stated: Sequence[int] | None) -> tuple[int, int]:
    """Height and width: the model's where they are fixed, else the stated ones."""
    axes = shape[2:4] if layout == "NCHW" else shape[1:3]
    sides = [
        axis if isinstance(axis, int) and axis > 0 else (stated or ())[at] for at, axis in enumerate(axes)
    ]
    return int(sides[0]), int(sides[1])


def _value(text: str) -> Any:
    """Parse a number, text or list of them as JSON or as Python writes it."""
    try:
        return json.loads(re.sub(r",\s*\]", "]", text.replace("(", "[").replace(")", "]")))
    except (ValueError, RecursionError):
        return text


def as_class_names(found: Any) -> tuple[str, ...] | None:
    """Return class names by index from a list, a mapping of indices, or one of these as text; None for others."""
    if isinstance(found, str):
        found = found.strip()
        try:
            found = json.loads(found)
        except (ValueError, RecursionError):
            found = _python_texts(found)
    if isinstance(found, dict):
        try:
            numbered = {int(key): name for key, name in found.items()}
        except (TypeError, ValueError):
            return None
        found = [numbered.get(index) for index in range(len(numbered))]
    if not isinstance(found, list) or not 1 < len(found) <= MAX_CLASSES:
        return None
    if not all(isinstance(name, str) for name in found) or all(map(_PLACEHOLDER.fullmatch, found)):
        return None
    return tuple(found)


def _python_texts(text: str) -> Any:
    """Parse `{0: 'a', 1: 'b'}` or `['a', 'b']`; None for anything else."""
    numbered = text.startswith("{")
    entry, at, found = (_NUMBERED if numbered else _LISTED), 1, []
    while match := entry.match(text, at):
        found.append(match.groups())
        at = match.end()
    if text[:1] + text[at:].strip() not in ("{}", "[]"):
        return None
    plain = [re.sub(r"\\(.)", r"\1", groups[-1][1:-1]) for groups in found]
    return dict(zip((groups[0] for groups in found), plain, strict=True)) if numbered else plain


def _config(folders: Sequence[Path], name: str) -> tuple[Path, dict[str, Any]]:
    """Read a JSON object from the first folder that has the file; empty if it cannot be read."""
    for folder in folders:
        path = folder / name
        try:
            if not path.is_file():
                continue
            with open_regular(path, max_bytes=MAX_CONFIG_BYTES) as file:
                content = json.loads(file.read(MAX_CONFIG_BYTES).decode("utf-8-sig"))
        except (InputError, OSError, ValueError, RecursionError):
            continue
        if isinstance(content, dict):
            return path, content
    return folders[0] / name, {}
