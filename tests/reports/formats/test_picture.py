"""Picture files: formats, sizes, and clear errors before the work."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import resvg_py
from PIL import Image

from onnx_ood.exceptions import OutputError, UsageError
from onnx_ood.reports._html.charts import Figure, Frame, chart, square_key
from onnx_ood.reports._html.markup import element
from onnx_ood.reports._html.picture import FigureRow, picture
from onnx_ood.reports.formats.picture import check_pictures, write_picture


@pytest.fixture
def svg() -> str:
    frame = Frame(width=200, height=100, left=10, right=190, top=10, bottom=90)
    square = chart(
        "test", "A square.", frame, element("rect", x=10, y=10, width=180, height=80, fill="#ff0000")
    )
    return picture(
        "A title", [], [FigureRow("", [Figure("A figure", [square], [square_key("red", fill="#ff0000")])])]
    )


def test_svg_is_written_unchanged(svg: str, tmp_path: Path) -> None:
    write_picture(tmp_path / "x.svg", svg)
    assert (tmp_path / "x.svg").read_text() == svg


def test_png_has_twice_the_size_of_the_drawing_and_its_colours(svg: str, tmp_path: Path) -> None:
    write_picture(tmp_path / "x.PNG", svg)
    with Image.open(tmp_path / "x.PNG") as opened:
        assert opened.format == "PNG"
        pixels = np.asarray(opened.convert("RGB")).astype(int)
    # The drawing is 200 wide, with margins of 24.
    assert pixels.shape[1] == 2 * (200 + 2 * 24)
    red = (pixels == [255, 0, 0]).all(axis=-1)
    # The square, and the swatch of 12 by 12 within its frame.
    assert 360 * 160 <= red.sum() <= 360 * 160 + 24 * 24
    # Text above the square is dark on white.
    rows = np.flatnonzero(red.sum(axis=1) > 100)
    head = pixels[: rows[0], :, :].sum(axis=-1)
    assert (head < 300).sum() > 200
    assert (head == 3 * 255).mean() > 0.8


def test_the_same_drawing_gives_the_same_bytes(svg: str, tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        write_picture(tmp_path / name, svg)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize("name", ["one.pdf", "one", "one.svgz", "one.jpg"])
def test_other_formats_are_refused_by_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=rf"{name}: pictures are written as \.svg or \.png"):
        check_pictures(tmp_path / "fine.svg", tmp_path / name)


def test_a_folder_that_is_missing_is_reported_before(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        check_pictures(tmp_path / "missing" / "one.svg")


def test_without_resvg_png_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onnx_ood.reports.formats.picture.find_spec", lambda _: None)
    check_pictures()
    check_pictures(tmp_path / "one.svg")
    with pytest.raises(OutputError, match=r"pip install 'onnx_ood\[png\]'") as caught:
        check_pictures(tmp_path / "one.png")
    assert "\n" not in str(caught.value)


def test_without_fonts_png_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_pictures(tmp_path / "one.png")
    bare = partial(resvg_py.svg_to_bytes, skip_system_fonts=True)
    monkeypatch.setattr(resvg_py, "svg_to_bytes", bare)
    check_pictures(tmp_path / "one.svg")
    with pytest.raises(OutputError, match="need a font, and none is installed; install one") as caught:
        check_pictures(tmp_path / "one.png")
    assert "\n" not in str(caught.value)
