"""Renderings of results as methods, imported when first used: results lie below the reports that render them."""

from __future__ import annotations

from html import escape
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from onnx_ood._paths import as_path

_HEIGHT = 640


def html_page(result: BaseModel, **options: Any) -> str:
    """Render a result as one HTML page that opens offline.

    Args:
        result: Result of any audit.
        options: Options of the page of this audit.
    """
    return str(import_module("onnx_ood.reports.registry").result_page(result, **options))


def notebook_html(result: BaseModel) -> str:
    """Render a result for the output of a notebook cell: the page in a frame, so that styles don't mix."""
    page = escape(html_page(result), quote=True)
    return (
        f'<iframe srcdoc="{page}" width="100%" height="{_HEIGHT}" style="border:0" sandbox="allow-scripts" '
        'title="Report"></iframe>'
    )


def write_picture(path: str | Path, result: BaseModel) -> None:
    """Draw the charts of a result's page into a file, as `--picture` does.

    Args:
        path: Path of the file, which ends in .svg or .png.
        result: Result of an audit with charts.

    Raises:
        UsageError: If the path ends otherwise, or the result has no charts.
        OutputError: If the file cannot be written.
    """
    formats = import_module("onnx_ood.reports.formats.picture")
    path = as_path(path, "path")
    formats.check_pictures(path)
    formats.write_picture(path, import_module("onnx_ood.reports.registry").result_picture(result))


def report_text(result: BaseModel) -> str:
    """Render a result as its command prints it, without colours."""
    return str(import_module("onnx_ood.reports.registry").result_text(result))


def write(path: str | Path, text: str) -> None:
    """Write a rendering to a file, atomically.

    Args:
        path: Path of the file.
        text: Content.

    Raises:
        OutputError: If the file cannot be written.
    """
    import_module("onnx_ood.reports.formats.writing").write_text(as_path(path, "path"), text)


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write a file, atomically.

    Args:
        path: Path of the file.
        content: Content.

    Raises:
        OutputError: If the file cannot be written.
    """
    import_module("onnx_ood.reports.formats.writing").write_bytes(as_path(path, "path"), content)


def json_text(result: BaseModel) -> str:
    """Render a result as JSON, as `--json` writes it."""
    return str(import_module("onnx_ood.reports.formats.json").to_json(result))
