"""What all pictures share: a figure in one style, written as PNG or SVG."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onnx_ood.exceptions import OutputError, UsageError
from onnx_ood.reports.formats.writing import check_writable, replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SUFFIXES = (".png", ".svg")
_DOTS_PER_INCH = 150
# Text stays text, and the same figure gives the same file.
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "onnx_ood",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}


def check_pictures(*paths: Path | None) -> None:
    """Finds out before a long run whether pictures can be written.

    Args:
        paths: Where they should go; None is left out.

    Raises:
        UsageError: If a name ends in neither .png nor .svg.
        OutputError: If matplotlib is not installed, or a file can't be written.
    """
    wanted = [path for path in paths if path is not None]
    for path in wanted:
        if path.suffix.lower() not in _SUFFIXES:
            raise UsageError(f"{path}: pictures are written as .png or .svg; name it so")
        check_writable(path)
    if wanted and find_spec("matplotlib") is None:
        raise OutputError("pictures need matplotlib; install it with: pip install 'onnx_ood[pictures]'")


def check_picture_folder(folder: Path) -> None:
    """Finds out before a long run whether pictures can be written to a folder, which is made if need be.

    Args:
        folder: Where they should go.

    Raises:
        OutputError: If matplotlib is not installed, or the folder can't be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made: {error.strerror}; choose another folder") from None
    check_pictures(folder / f"picture{_SUFFIXES[-1]}")


@contextmanager
def drawing(path: Path, width: float, height: float) -> Iterator[Figure]:
    """Gives an empty figure, and writes it once it is drawn: the same bytes each time.

    Args:
        path: A name that `check_pictures` let pass; readers see the old file or the whole new one.
        width: In inches.
        height: In inches.

    Yields:
        The figure, in the style of all pictures; it belongs to no window and to no global state.

    Raises:
        OutputError: If it can't be written.
    """
    from matplotlib import rc_context  # noqa: PLC0415 - optional, and slow to import
    from matplotlib.figure import Figure  # noqa: PLC0415

    kind = path.suffix.lower().removeprefix(".")
    drawn = BytesIO()
    with rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure
        # Without a date and the version of the library.
        metadata = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
        figure.savefig(drawn, format=kind, dpi=_DOTS_PER_INCH, metadata=metadata)
    with replacing(path) as new:
        new.write_bytes(drawn.getvalue())
