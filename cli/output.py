"""Where results go: the options that all commands share, and the writing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from pydantic import BaseModel

from onnx_ood.exceptions import OutputError
from onnx_ood.reports.files import check_writable, to_json, write_text
from onnx_ood.reports.registry import result_page

from .console import complain

# For audits whose result is long lived: a file. For those that only look: a flag.
JsonFile = Annotated[
    Path | None,
    typer.Option(
        "--json",
        metavar="FILE",
        help="Write the result as JSON; - prints it instead of the report.",
        rich_help_panel="Output",
    ),
]
HtmlFile = Annotated[
    Path | None,
    typer.Option(
        "--html",
        metavar="FILE",
        help="Write the result as one HTML page that opens offline.",
        rich_help_panel="Output",
    ),
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print no progress and no report.", rich_help_panel="Output")
]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]

STANDARD_OUTPUT = Path("-")
"""The name of a file that stands for it."""


def check_outputs(*paths: Path | None) -> None:
    """Finds out before the work whether the asked-for files can be written."""
    for path in paths:
        if path is not None and path != STANDARD_OUTPUT:
            check_writable(path)


def attempt(action: Callable[..., None], *arguments: object) -> bool:
    """Writes one of several outputs; a failure is told at once and keeps no other from being written.

    Args:
        action: What writes it.
        arguments: What it takes.

    Returns:
        True if it was written.
    """
    try:
        action(*arguments)
    except OutputError as error:
        complain(str(error))
        return False
    return True


def print_json(result: BaseModel) -> None:
    """Prints a result as JSON and nothing else."""
    sys.stdout.write(to_json(result))


def write_json(result: BaseModel, path: Path | None) -> bool:
    """Writes a result where it was asked for; returns True if that was standard output."""
    if path is None:
        return False
    if path == STANDARD_OUTPUT:
        print_json(result)
        return True
    write_text(path, to_json(result))
    return False


def write_html(result: BaseModel, path: Path | None) -> None:
    """Writes a result as a page where it was asked for."""
    if path is not None:
        write_text(path, result_page(result))
