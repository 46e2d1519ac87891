"""Pictures: formats, the same bytes each time, and clear errors."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from onnx_ood.exceptions import OutputError, UsageError
from onnx_ood.reports.pictures import check_pictures
from onnx_ood.reports.pictures.canvas import drawing


def _draw(path: Path) -> bytes:
    with drawing(path, 4, 3) as figure:
        axes = figure.subplots()
        axes.plot([0, 1], [1, 0], label="falling")
        axes.set_title("a line")
        axes.legend()
    return path.read_bytes()


@pytest.mark.parametrize("name", ["one.png", "one.svg"])
def test_the_same_figure_gives_the_same_bytes(tmp_path: Path, name: str) -> None:
    first = _draw(tmp_path / name)
    assert _draw(tmp_path / f"again-{name}") == first


def test_png_and_svg_are_what_they_say(tmp_path: Path) -> None:
    _draw(tmp_path / "one.png")
    with Image.open(tmp_path / "one.png") as picture:
        assert picture.format == "PNG"
        assert picture.size == (600, 450)
        assert len(np.unique(np.asarray(picture.convert("L")))) > 2
    root = ElementTree.fromstring(_draw(tmp_path / "one.svg"))
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    # Text that can be searched, not outlines.
    assert "a line" in "".join(root.itertext())


def test_other_formats_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.png or \.svg"):
        check_pictures(tmp_path / "one.pdf")


def test_without_matplotlib_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onnx_ood.reports.pictures.canvas.find_spec", lambda _: None)
    check_pictures(None)
    with pytest.raises(OutputError, match=r"onnx_ood\[pictures\]"):
        check_pictures(tmp_path / "one.png")
