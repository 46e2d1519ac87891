"""Renderings of results as methods, imported when first used: results lie below the reports that render them."""

from __future__ import annotations

from html import escape
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from onnx_ood._outputs import check_output_of
from onnx_ood._paths import as_path
from onnx_ood._writing import write_text

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
        UsageError: If the path ends otherwise or is a file that the result names, or the result has no charts.
        OutputError: If the file cannot be written.
    """
    formats = import_module("onnx_ood.reports.formats.picture")
    path = as_path(path, "path")
    check_output_of(result, path)
    formats.check_pictures(path)
    formats.write_picture(path, import_module("onnx_ood.reports.registry").result_picture(result))


def report_text(result: BaseModel) -> str:
    """Render a result as its command prints it, without colours."""
    return str(import_module("onnx_ood.reports.registry").result_text(result))


def write_page(path: str | Path, result: BaseModel, **options: Any) -> None:
    """Write a result as one HTML page, atomically.

    Args:
        path: Path of the file.
        result: Result of any audit.
        options: Options of the page of this audit.

    Raises:
        UsageError: If the path is a file that the result names, such as the model or an input.
        OutputError: If the file cannot be written.
    """
    path = as_path(path, "path")
    check_output_of(result, path)
    write_text(path, html_page(result, **options))


def write_json(path: str | Path, result: BaseModel) -> None:
    """Write a result as JSON, atomically.

    Args:
        path: Path of the file.
        result: Result of any audit.

    Raises:
        UsageError: If the path is a file that the result names, such as the model or an input.
        OutputError: If the file cannot be written.
    """
    path = as_path(path, "path")
    check_output_of(result, path)
    text = import_module("onnx_ood.reports.formats.json").to_json(result)
    write_text(path, text)


def write_csv(path: str | Path, function: str, result: BaseModel) -> None:
    """Write a result as CSV, as `--csv` does.

    Args:
        path: Path of the file.
        function: Name of a function of `onnx_ood.reports.formats.csv`.
        result: The result.

    Raises:
        UsageError: If the path is a file that the result names, such as the model or an input.
        OutputError: If the file cannot be written.
    """
    path = as_path(path, "path")
    check_output_of(result, path)
    write_text(path, getattr(import_module("onnx_ood.reports.formats.csv"), function)(result))
