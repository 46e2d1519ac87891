"""Pictures on a terminal: two pixels a character, by half blocks in two colours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from rich.columns import Columns
from rich.console import Console, Group
from rich.text import Text

from onnx_ood.exceptions import InputError
from onnx_ood.inputs import is_picture, read_image
from onnx_ood.reports import words

WIDTH = 20
"""Characters, and so pixels, of a thumbnail."""
# A pixel is as high as half a character, which is about as high as a character is wide.
_ROWS = 20
_UPPER = "▀"
# From dark to light, where there are no colours or no blocks.
_SHADES = " .:-=+*#%@"


def thumbnail(path: Path, console: Console) -> Text:
    """Draws a picture as wide as `WIDTH` characters.

    Args:
        path: A picture file.
        console: Where it will be printed. Without colours, or blocks, it is drawn with shades of characters.

    Returns:
        Lines, joined.

    Raises:
        InputError: If the file can't be read.
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


def print_thumbnails(console: Console, title: str, entries: Sequence[tuple[str, str]]) -> None:
    """Prints pictures beside each other, each with its file below.

    Args:
        console: Where to.
        title: What they are.
        entries: Of each its file, and what stands before that.
    """
    console.print()
    console.print(Text(title, style="bold"))
    drawn = []
    for name, before in entries:
        path = Path(name)
        try:
            picture = (
                thumbnail(path, console) if path.is_file() and is_picture(path) else Text("(no picture file)")
            )
        except InputError:
            picture = Text("(can't be read)")
        drawn.append(Group(picture, Text(before + words.shorten(name, WIDTH - len(before)), no_wrap=True)))
    console.print(Columns(drawn, width=WIDTH, padding=(1, 2)))
