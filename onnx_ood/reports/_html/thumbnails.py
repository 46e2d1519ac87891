"""Small pictures of inputs, from the files that were scored, as large as a budget of bytes allows."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from onnx_ood._printable import shown
from onnx_ood.exceptions import InputError
from onnx_ood.inputs import is_picture, open_array, open_table, read_image
from onnx_ood.inputs.rows.csv_tables import SUFFIXES as CSV_SUFFIXES
from onnx_ood.inputs.rows.csv_tables import read_cells
from onnx_ood.inputs.rows.file_types import LISTS
from onnx_ood.reports.words import shorten_middle

_ARRAYS = frozenset({".npy", ".npz"})
_ROW = re.compile(r"(?P<file>.+)\[(?P<row>\d{1,18})\]", re.DOTALL)

# Longest side in pixels and quality, the best first.
_SIZES = (
    (320, 74), (256, 72), (208, 70), (176, 66), (144, 62), (120, 56), (104, 52), (88, 46), (80, 44), (72, 42), (64, 38),
    (64, 30), (56, 30), (48, 30),
)  # fmt: skip
# With more inputs the largest sizes are not tried: they would not fit, and all are in memory at once.
_MANY, _LARGEST_OF_MANY = 200, 176
# If even the smallest do not fit, only some inputs get a thumbnail, of this size and quality.
_FEW = (88, 46)
# Pictures sampled to estimate the size of all; sizes estimated this far over the budget are skipped.
_SAMPLE, _FAR_OFF = 24, 1.3
# Smaller or longer arrays are not drawn as pictures.
_MIN_SIDE = 8
_MAX_ASPECT = 4
# Pictures up to this side are enlarged without smoothing.
_SMALL = 64
_GONE = "can't be read any more"
# Values that are shown of a row of numbers, and characters of each name and value.
_MAX_VALUES, _MAX_VALUE = 8, 14


@dataclass(frozen=True)
class Thumbnail:
    """Thumbnail of an input.

    Attributes:
        uri: The picture as a data URI.
        width: In pixels.
        height: In pixels.
        small: True if the input is not larger, so that its pixels can be shown as squares.
        made: True if drawn from an array, from its smallest value in black to its largest in white.
    """

    uri: str
    width: int
    height: int
    small: bool
    made: bool


@dataclass(frozen=True)
class Missing:
    """Reason for a missing thumbnail.

    Attributes:
        reason: In a few words.
        detail: In a line, or empty.
        values: The first values of a row of numbers, each with its name, or empty.
    """

    reason: str
    detail: str = ""
    values: tuple[str, ...] = ()


Shown = Thumbnail | Missing


@dataclass(frozen=True)
class _Source:
    image: Image.Image
    made: bool


def make_thumbnails(ids: Sequence[str], site: str, budget: int) -> list[Shown]:
    """Make thumbnails of inputs, all of one size and quality.

    Args:
        ids: Ids of the inputs in the result.
        site: The model's input, for archives of several arrays.
        budget: Bytes available for all thumbnails.

    Returns:
        One entry per input: a thumbnail, or the reason for its absence. If the budget is too small for all, only the
        first and last inputs have one.
    """
    sizes = [size for size in _SIZES if len(ids) <= _MANY or size[0] <= _LARGEST_OF_MANY]
    sources = _load_all(ids, site, sizes[0][0])
    places = [i for i, source in enumerate(sources) if isinstance(source, _Source)]
    images = [source for source in sources if isinstance(source, _Source)]
    made = _encode_all(images, sizes, budget)
    found = dict(zip(places, made, strict=True))
    return [found[i] if isinstance(source, _Source) else source for i, source in enumerate(sources)]


def _encode_all(images: Sequence[_Source], sizes: Sequence[tuple[int, int]], budget: int) -> list[Shown]:
    if not images:
        return []
    sample = images[:: -(-len(images) // _SAMPLE)]
    for side, quality in sizes:
        guess = sum(len(_encode(one, side, quality).uri) for one in sample) / len(sample)
        if guess * len(images) > _FAR_OFF * budget:
            continue
        made = [_encode(one, side, quality) for one in images]
        if sum(len(one.uri) for one in made) <= budget:
            return [*made]
    guess = sum(len(_encode(one, *_FEW).uri) for one in sample) / len(sample)
    kept = int(budget / (1.5 * guess)) // 2
    missing = Missing("no thumbnail", "Only the first and the last inputs have one, to keep this page small.")
    return [
        _encode(one, *_FEW) if i < kept or i >= len(images) - kept else missing
        for i, one in enumerate(images)
    ]


def _encode(source: _Source, side: int, quality: int) -> Thumbnail:
    image = source.image
    if max(image.size) > side:
        image = image.copy()
        image.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = BytesIO()
    image.save(buffer, "WEBP", quality=quality, method=4)
    uri = f"data:image/webp;base64,{b64encode(buffer.getvalue()).decode()}"
    return Thumbnail(uri, *image.size, small=max(source.image.size) <= _SMALL, made=source.made)


def _load_all(ids: Sequence[str], site: str, side: int) -> list[_Source | Missing]:
    """All inputs, no side longer than is asked for; rows of one file in their order, which is quicker."""
    rows: dict[str, list[tuple[int, int]]] = {}
    loaded: dict[int, _Source | Missing] = {}
    for i, name in enumerate(ids):
        match = _ROW.fullmatch(name)
        if match and not is_picture(Path(match["file"])):
            rows.setdefault(match["file"], []).append((int(match["row"]), i))
        elif is_picture(Path(name)):
            loaded[i] = _picture(Path(name), side)
        else:
            loaded[i] = _whole(Path(name), site, side)
    for name, wanted in rows.items():
        loaded.update(_rows(Path(name), sorted(wanted), site, side))
    return [loaded[i] for i in range(len(ids))]


def _picture(path: Path, side: int) -> _Source | Missing:
    try:
        image = read_image(path, "RGB", min_side=side)
    except InputError as error:
        return _unreadable(error)
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    return _Source(image, made=False)


def _whole(path: Path, site: str, side: int) -> _Source | Missing:
    """Read an array that is one input."""
    if path.suffix.lower() not in _ARRAYS:
        return _no_picture(path)
    try:
        with open_array(path, input_name=site) as array:
            values = array.rows(0, len(array))
    except InputError as error:
        return _unreadable(error)
    return _drawn(values[0] if array.single else values, side)


def _rows(
    path: Path, wanted: Sequence[tuple[int, int]], site: str, side: int
) -> dict[int, _Source | Missing]:
    """Rows of an array: which, and which input each is."""
    if path.suffix.lower() in LISTS:
        return _table_rows(path, wanted)
    if path.suffix.lower() not in _ARRAYS:
        return dict.fromkeys((i for _, i in wanted), _no_picture(path))
    found: dict[int, _Source | Missing] = {}
    try:
        with open_array(path, input_name=site) as array:
            for row, i in wanted:
                found[i] = (
                    _drawn(array.rows(row, row + 1)[0], side)
                    if row < len(array)
                    else Missing(_GONE, f"{path}: has {len(array)} rows now")
                )
    except InputError as error:
        found.update({i: _unreadable(error) for _, i in wanted if i not in found})
    return found


def _table_rows(path: Path, wanted: Sequence[tuple[int, int]]) -> dict[int, _Source | Missing]:
    """Values of rows of a table: which, and which input each is."""
    found: dict[int, _Source | Missing] = {}
    try:
        names, cells = _cells(path, [row for row, _ in wanted])
    except InputError as error:
        return dict.fromkeys((i for _, i in wanted), _unreadable(error))
    for row, i in wanted:
        found[i] = (
            _listed(names, cells[row], len(cells[row]))
            if row in cells
            else Missing(_GONE, f"{path}: has fewer rows now")
        )
    return found


def _cells(path: Path, rows: Sequence[int]) -> tuple[Sequence[str], dict[int, Sequence[str]]]:
    """Names of the columns of a table, and the cells of some of its rows as texts."""
    if path.suffix.lower() in CSV_SUFFIXES:
        names, every = read_cells(path)
        return names, {row: every[row] for row in rows if row < len(every)}
    with closing(open_table(path, input_shape=(None, None), dtype=np.dtype(np.float64))) as table:
        return table.columns, {
            row: [f"{float(one):.4g}" for one in table.rows(row, row + 1)[0]]
            for row in rows
            if row < len(table)
        }


def _listed(names: Sequence[str], cells: Sequence[str], count: int) -> Missing:
    """List the first of `count` values."""
    pairs = zip(names[:_MAX_VALUES], cells[:_MAX_VALUES], strict=False)
    lines = [f"{_short(name)}: {_short(cell)}" for name, cell in pairs]
    if count > _MAX_VALUES:
        lines.append(f"and {count - _MAX_VALUES:,} more")
    return Missing("not a picture", f"It has {count:,} values.", tuple(lines))


def _short(text: str) -> str:
    return shown(shorten_middle(text.strip(), _MAX_VALUE))


def _no_picture(path: Path) -> Missing:
    return Missing("not a picture", f"It comes from a {path.suffix} file.")


def _unreadable(error: InputError) -> Missing:
    return Missing(_GONE, str(error))


def _drawn(values: NDArray[np.generic], side: int) -> _Source | Missing:
    """Draw an array of a picture's shape: [H, W], or with 1 or 3 channels first or last."""
    if values.ndim == 1 and values.dtype.kind in "fiub":
        first = [f"{float(one):.4g}" for one in values[:_MAX_VALUES]]
        return _listed([f"[{at}]" for at in range(len(first))], first, len(values))
    shape = "x".join(map(str, values.shape)) or "one number"
    while values.ndim > 3 and values.shape[0] == 1:
        values = values[0]
    if values.ndim == 3 and values.shape[0] in (1, 3):
        values = np.moveaxis(values, 0, -1)
    if values.ndim == 3 and values.shape[-1] == 1:
        values = values[..., 0]
    sides = values.shape[:2]
    flat = values.ndim == 2 or (values.ndim == 3 and values.shape[-1] == 3)
    if not flat or min(sides) < _MIN_SIDE or max(sides) > _MAX_ASPECT * min(sides):
        return Missing("not a picture", f"It is an array of {shape}.")
    pixels = values.astype(np.float64)
    if not np.isfinite(pixels).all():
        return Missing("not a picture", "It holds values that are not finite.")
    low, high = float(pixels.min()), float(pixels.max())
    # Halves, so that the difference of the largest floats is one too.
    shades = np.round(255 * (pixels / 2 - low / 2) / ((high / 2 - low / 2) or 1.0)).astype(np.uint8)
    image = Image.fromarray(shades).convert("RGB")
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    return _Source(image, made=True)
