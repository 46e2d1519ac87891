"""Pictures on a terminal."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from rich.style import Style

from onnx_ood.reports._terminal.previews import WIDTH, thumbnail, thumbnails


def console(*, colours: bool = True) -> Console:
    return Console(
        file=StringIO(),
        width=100,
        force_terminal=True,
        color_system="truecolor" if colours else None,
        no_color=not colours,
    )


@pytest.fixture
def quarters(tmp_path: Path) -> Path:
    """A picture of four colours, each in its corner."""
    pixels = np.zeros((60, 60, 3), np.uint8)
    pixels[:30, :30], pixels[:30, 30:] = (250, 0, 0), (0, 240, 0)
    pixels[30:, :30], pixels[30:, 30:] = (0, 0, 230), (220, 220, 220)
    Image.fromarray(pixels).save(tmp_path / "quarters.png")
    return tmp_path / "quarters.png"


def test_each_character_has_the_colours_of_two_pixels(quarters: Path) -> None:
    view = thumbnail(quarters, console())
    lines = view.split("\n")
    assert [len(line) for line in lines] == [WIDTH] * 10
    for row, column, colour in (
        (0, 0, "250,0,0"),
        (0, 19, "0,240,0"),
        (9, 0, "0,0,230"),
        (9, 19, "220,220,220"),
    ):
        style = lines[row].get_style_at_offset(console(), column)
        assert style == Style.parse(f"rgb({colour}) on rgb({colour})")
    # Ten rows of pixels above, ten below: five rows of characters each.
    assert lines[4].get_style_at_offset(console(), 0) == Style.parse("rgb(250,0,0) on rgb(250,0,0)")
    assert lines[5].get_style_at_offset(console(), 0) == Style.parse("rgb(0,0,230) on rgb(0,0,230)")


def test_a_row_between_two_colours_has_both(tmp_path: Path) -> None:
    pixels = np.zeros((WIDTH, WIDTH, 3), np.uint8)
    pixels[1::2] = 200
    Image.fromarray(pixels).save(tmp_path / "stripes.png")
    first = thumbnail(tmp_path / "stripes.png", console()).split("\n")[0]
    assert first.get_style_at_offset(console(), 3) == Style.parse("rgb(0,0,0) on rgb(200,200,200)")


def test_without_colours_light_is_dense(tmp_path: Path) -> None:
    ramp = np.linspace(0, 255, WIDTH).astype(np.uint8)
    Image.fromarray(np.tile(ramp, (WIDTH, 1))).save(tmp_path / "ramp.png")
    line = thumbnail(tmp_path / "ramp.png", console(colours=False)).plain.split("\n")[0]
    assert line == "".join(" .:-=+*#%@"[min(9, int(value / 25.6))] for value in ramp)


def test_what_is_no_picture_is_said(tmp_path: Path, quarters: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"nothing")
    view = console(colours=False)
    entries = [
        (str(tmp_path / "broken.png"), "#1 "),
        (f"{tmp_path}/rows.npy[3]", "#2 "),
        (str(quarters), "#3 "),
    ]
    view.print(thumbnails(view, "Most unusual", entries))
    text = view.file.getvalue()  # type: ignore[attr-defined] # a StringIO
    assert "(cannot be read)" in text
    assert "(no picture file)" in text
    assert "#1 …" in text
    assert "quarters.png" in text
