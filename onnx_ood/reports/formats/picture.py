"""Picture files: SVG as it is, and PNG rendered by resvg, which is optional."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from onnx_ood._outputs import check_writable
from onnx_ood._writing import write_bytes, write_text
from onnx_ood.exceptions import OutputError, UsageError

SUFFIXES = (".svg", ".png")
"""Formats of pictures."""

# Pixels of a PNG per unit of the drawing.
_ZOOM = 2.0
_SAMPLE = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="32" height="16" font-family="sans-serif">'
    '<text y="14">{}</text></svg>'
)


def check_pictures(*paths: Path) -> None:
    """Check before a long run that pictures can be written.

    Args:
        paths: Paths of the files.

    Raises:
        UsageError: If a name ends in neither .svg nor .png.
        OutputError: If a file cannot be written; for PNG also if resvg-py is not installed, or finds no font.
    """
    for path in paths:
        if path.suffix.lower() not in SUFFIXES:
            raise UsageError(f"{path}: pictures are written as .svg or .png; choose a name with one of these")
        check_writable(path)
    if any(path.suffix.lower() == ".png" for path in paths):
        _check_renderer()


def write_picture(path: Path, svg: str) -> None:
    """Write a picture in the format that its name ends in.

    Args:
        path: A path that `check_pictures` accepted; readers see the old file or the complete new one.
        svg: The drawing.

    Raises:
        OutputError: If the file cannot be written.
    """
    if path.suffix.lower() == ".svg":
        write_text(path, svg)
    else:
        write_bytes(path, _render(svg))


def _check_renderer() -> None:
    if find_spec("resvg_py") is None:
        raise OutputError(
            "PNG files need resvg-py; install it with: pip install 'onnx_ood[png]', or choose a name that ends in .svg"
        )
    # Without fonts resvg draws everything but the text, and reports nothing.
    if _render(_SAMPLE.format("text")) == _render(_SAMPLE.format("")):
        raise OutputError(
            "PNG files need a font, and none is installed; install one, such as the package fonts-dejavu-core of "
            "Debian and Ubuntu, or choose a name that ends in .svg"
        )


def _render(svg: str) -> bytes:
    import resvg_py  # noqa: PLC0415 - optional

    return bytes(resvg_py.svg_to_bytes(svg_string=svg, zoom=_ZOOM))
