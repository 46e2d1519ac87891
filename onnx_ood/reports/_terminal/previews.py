"""Pictures on a terminal: two pixels per character, as half blocks in two colours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.text import Text

from onnx_ood.exceptions import InputError
from onnx_ood.inputs import is_picture, read_image
from onnx_ood.reports import words

WIDTH = 20
"""Width of a thumbnail in characters, and in pixels."""
# Half the height of a character is about its width, so pixels are square.
_ROWS = 20
_UPPER = "▀"
# From dark to light, for consoles without colours or blocks.
_SHADES = " .:-=+*#%@"


def thumbnail(path: Path, console: Console) -> Text:
    """Draw a picture in at most `WIDTH` characters.

    Args:
        path: A picture file.
        console: Console to print to. Without colours or blocks, shades are characters.

    Returns:
        The lines of the drawing.

    Raises:
        InputError: If the file cannot be read.
    """
    picture = read_image(path, "RGB").convert("RGB")
    picture.thumbnail((WIDTH, _ROWS), Image.Resampling.BOX)
    pixels = np.asarray(picture)
    if len(pixels) % 2:
        pixels = np.concatenate([pixels, pixels[-1:]])
    view = Text(no_wrap=True)
    for upper, lower in zip(pixels[::2], pixels[1::2], strict=True):
        if view:
            view.append("\n")
        for above, below in zip(upper, lower, strict=True):
            if console.color_system is None or console.no_color or console.options.ascii_only:
                light = (above.mean() + below.mean()) / 2 / 256
                view.append(_SHADES[int(light * len(_SHADES))])
            else:
                view.append(_UPPER, style=f"rgb({_rgb(above)}) on rgb({_rgb(below)})")
    return view


def _rgb(pixel: Sequence[int]) -> str:
    return ",".join(str(int(value)) for value in pixel)


def thumbnails(console: Console, title: str, entries: Sequence[tuple[str, str]]) -> RenderableType:
    """Draw pictures side by side, each above its name.

    Args:
        console: Console to print to.
        title: Line above the pictures.
        entries: Path of each picture, and the text before its name.
    """
    drawn = []
    for name, before in entries:
        path = Path(name)
        try:
            picture = (
                thumbnail(path, console) if path.is_file() and is_picture(path) else Text("(no picture file)")
            )
        except InputError:
            picture = Text("(cannot be read)")
        drawn.append(Group(picture, Text(before + words.shorten(name, WIDTH - len(before)), no_wrap=True)))
    return Group(Text(title, style="bold"), Columns(drawn, width=WIDTH, padding=(1, 2)))
