"""Overlay corruptions: strokes, text, occlusion and shuffled parts."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from onnx_ood._types import FloatArray
from onnx_ood.perturb.corruptions.pictures import Picture
from onnx_ood.perturb.corruptions.registry import register_corruption

_STROKE_WIDTH = 0.06
_TURN = 1.5
_GRID = 4
_TEXT_HEIGHT = 0.16
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


@register_corruption(families={"overlay"}, severities=(1, 2, 3, 5, 8), strengths={"demo": (3,)})
def scribble(picture: Picture, generator: Generator, strokes: int) -> FloatArray:
    """Draws thick strokes, each of one random colour, over the picture.

    A stroke is a line through four points: a random start at least 20% off the edges, then three steps of 15–40% of
    the shorter side, each turned by at most 1.5 radians from the last and kept inside the picture. It is 6% of that
    side wide, at least one pixel.

    Args:
        picture: float32 `[H, W, C]` in [0, 1].
        generator: Source of courses and colours.
        strokes: How many.

    Returns:
        float32 `[H, W, C]`; pixels off the strokes are unchanged.
    """
    scribbled = picture.copy()
    for _ in range(strokes):
        covered = _stroke(picture.shape[0], picture.shape[1], generator)
        scribbled[covered] = generator.random(picture.shape[2], dtype=np.float32)
    return scribbled


@register_corruption(families={"overlay"}, severities=(1, 2, 3, 5, 8))
def text(picture: Picture, generator: Generator, words: int) -> FloatArray:
    """Write words of 4-7 random capitals and digits, each in a random colour and place.

    Letters are 16% of the shorter side high, at least 8 pixels; a word that is wider than the picture is cut off. The
    font is Pillow's own.

    Args:
        picture: float32 `[H, W, C]` in [0, 1].
        generator: Source of words, places and colours.
        words: How many.

    Returns:
        float32 `[H, W, C]`; pixels off the words are unchanged.
    """
    height, width, channels = picture.shape
    font = ImageFont.load_default(max(8, round(_TEXT_HEIGHT * min(height, width))))
    written = picture.copy()
    for _ in range(words):
        word = "".join(generator.choice(list(_LETTERS), generator.integers(4, 8)).tolist())
        left, top, right, bottom = font.getbbox(word)
        x = generator.uniform(0, max(0, width - (right - left))) - left
        y = generator.uniform(0, max(0, height - (bottom - top))) - top
        canvas = Image.new("L", (width, height))
        ImageDraw.Draw(canvas).text((round(x), round(y)), word, fill=255, font=font)
        ink = np.asarray(canvas, np.float32)[..., np.newaxis] / 255
        written += ink * (generator.random(channels, dtype=np.float32) - written)
    return written


@register_corruption(families={"overlay"}, severities=(0.2, 0.3, 0.4, 0.5, 0.6))
def occlusion(picture: Picture, generator: Generator, share: float) -> FloatArray:
    """Covers a rectangle, at a random place inside the picture, with one random colour.

    Args:
        picture: float32 `[H, W, C]` in [0, 1].
        generator: Source of place and colour.
        share: What it covers of each side, rounded to whole pixels, at least one.

    Returns:
        float32 `[H, W, C]`; pixels off the rectangle are unchanged.
    """
    covered = picture.copy()
    place = []
    for side in picture.shape[:2]:
        length = max(1, round(share * side))
        start = int(generator.integers(0, side - length + 1))
        place.append(slice(start, start + length))
    covered[place[0], place[1]] = generator.random(picture.shape[2], dtype=np.float32)
    return covered


@register_corruption(families={"overlay"}, severities=(4, 7, 10, 13, 16), strengths={"demo": (16,)})
def patch_shuffle(picture: Picture, generator: Generator, patches: int) -> FloatArray:
    """Cuts the picture into 4 × 4 patches and puts some of them back in random order.

    What remains is every local texture; what goes is the arrangement. If a side is not a multiple of 4, its last
    one to three rows or columns stay where they are.

    Args:
        picture: float32 `[H, W, C]` in [0, 1].
        generator: Source of the patches and their order.
        patches: How many patches are shuffled: at most 16. Some may come back to where they were.

    Returns:
        float32 `[H, W, C]`, with the same pixels.

    Raises:
        ValueError: If a side is shorter than 4 pixels.
    """
    height, width = (side // _GRID for side in picture.shape[:2])
    if min(height, width) == 0:
        raise ValueError(f"Expected sides of at least {_GRID} pixels, but got {picture.shape[:2]}")
    shuffled = picture.copy()
    origins = generator.permutation(_GRID * _GRID).tolist()[:patches]
    for place, origin in zip(sorted(origins), origins, strict=True):
        shuffled[_patch(place, height, width)] = picture[_patch(origin, height, width)]
    return shuffled


def _stroke(height: int, width: int, generator: Generator) -> NDArray[np.bool_]:
    """Draw one stroke and tell which pixels, `[H, W]`, it covers."""
    side = min(height, width)
    size = np.array([width, height])
    thickness = max(1, round(_STROKE_WIDTH * side))
    points = [generator.uniform(0.2, 0.8, 2) * size]
    direction = generator.uniform(0, 2 * np.pi)
    for length in (generator.uniform(0.15, 0.4, 3) * side).tolist():
        step = length * np.array([np.cos(direction), np.sin(direction)])
        points.append(np.clip(points[-1] + step, 0, size - 1))
        direction += generator.uniform(-_TURN, _TURN)
    canvas = Image.new("L", (width, height))
    course = [(float(x), float(y)) for x, y in points]
    ImageDraw.Draw(canvas).line(course, fill=255, width=thickness, joint="curve")
    covered: NDArray[np.bool_] = np.asarray(canvas) > 0
    return covered


def _patch(number: int, height: int, width: int) -> tuple[slice, slice]:
    row, column = divmod(number, _GRID)
    return slice(row * height, (row + 1) * height), slice(column * width, (column + 1) * width)
