"""Output options shared by all commands, and writing of results."""

from __future__ import annotations

import json as json_module
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel

from onnx_ood._dialect import flag
from onnx_ood._limits import MAX_INPUTS
from onnx_ood._outputs import Files
from onnx_ood._outputs import check_outputs as _check_outputs
from onnx_ood._writing import write_text
from onnx_ood.exceptions import OutputError, UsageError
from onnx_ood.reports.formats.json import to_json
from onnx_ood.reports.formats.picture import write_picture
from onnx_ood.reports.registry import print_result, result_page, result_picture
from onnx_ood.reports.report_options import DEFAULTS, ReportOptions
from onnx_ood.reports.words import failure_line
from onnx_ood.results.base import Result

from .console import complain, elapsed, stdout

STANDARD_OUTPUT = Path("-")
"""File name of standard output."""


def file_option(*flags: str, text: str) -> Any:
    """Make an option that names a file to write.

    Args:
        flags: Its flags; none for the name of the parameter.
        text: Help.
    """

    def refuse_standard_output(param: typer.CallbackParam, value: Any) -> Any:
        if STANDARD_OUTPUT in (value if isinstance(value, list | tuple) else (value,)):
            raise UsageError(f"{param.opts[0]} writes a file; name one")
        return value

    return typer.Option(
        *flags, metavar="FILE", help=text, rich_help_panel="Output", callback=refuse_standard_output
    )


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
    file_option("--html", text="Write the result as one HTML page that opens offline."),
]
Title = Annotated[
    str | None,
    typer.Option("--title", metavar="TEXT", help="Title of the page of --html.", rich_help_panel="Output"),
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print no progress and no report.", rich_help_panel="Output")
]
Verbose = Annotated[
    bool,
    typer.Option("--verbose", "-v", help="Print settings and details too.", rich_help_panel="Output"),
]
PictureFiles = Annotated[
    list[Path] | None,
    file_option("--picture", text="Draw the charts of the page as .svg or .png. Repeatable."),
]
Top = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=MAX_INPUTS,
        metavar="N",
        help="Number of entries to list. Default: as many as fit a terminal of 24 lines.",
        rich_help_panel="Output",
    ),
]

All = Annotated[bool, typer.Option("--all", help="List all inputs.", rich_help_panel="Output")]


def check_outputs(
    inputs: Files = (),
    *,
    quiet: bool = False,
    reserved: Mapping[str, Path] | None = None,
    **outputs: Path | Sequence[Path] | None,
) -> None:
    """Check before the work that all output files can be written, and overwrite neither inputs nor each other.

    Args:
        inputs: Files that the command reads, with their roles; only consumed if an output exists already.
        quiet: True if nothing is printed.
        reserved: Files that another run writes, with their roles.
        outputs: Output files by the names of their options.

    Raises:
        UsageError: If an output is an input or another output.
        OutputError: If one cannot be written.
    """
    files: list[tuple[str, Path]] = []
    printed = not quiet
    for name, value in outputs.items():
        for path in value if isinstance(value, list | tuple) else (value,):
            if path == STANDARD_OUTPUT:
                printed = True
            elif path is not None:
                files.append((flag(name), path))
    others: dict[str, int | Path] = {"standard error": 2, **(reserved or {})}
    if printed:
        others["standard output"] = 1
    _check_outputs(files, chain(inputs, [("standard input", 0)]), others)


def attempt(action: Callable[..., None], *arguments: object) -> bool:
    """Write one of several outputs; a failure is printed and does not stop the others.

    Args:
        action: Function that writes it.
        arguments: Arguments of the function.

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
    """Print a result as JSON; control and unencodable characters are escaped."""
    text = to_json(result)
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    if not (text.isascii() and text.replace("\n", "").isprintable()):
        text = "".join(one if _is_plain(one, encoding) else json_module.dumps(one)[1:-1] for one in text)
    sys.stdout.write(text)


def _is_plain(character: str, encoding: str) -> bool:
    try:
        character.encode(encoding)
    except UnicodeEncodeError:
        return False
    return character == "\n" or character.isprintable()


def write_json(result: BaseModel, path: Path | None) -> bool:
    """Write a result as JSON if a file is given; return True if it was standard output."""
    if path is None:
        return False
    if path == STANDARD_OUTPUT:
        print_json(result)
        return True
    write_text(path, to_json(result))
    return False


def time_of_run() -> datetime:
    """Return the current time, or SOURCE_DATE_EPOCH for reproducible output."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if not epoch:
        return datetime.now(UTC)
    try:
        return datetime.fromtimestamp(int(epoch), UTC)
    except (ValueError, OverflowError, OSError):
        raise UsageError(
            f"SOURCE_DATE_EPOCH={epoch!r} in the environment is not a number of seconds since 1970; correct or unset it"
        ) from None


def write_outputs(
    result: BaseModel,
    *,
    json: Path | None,
    html: Path | None = None,
    title: str | None = None,
    pictures: Sequence[Path] = (),
    quiet: bool,
    name_failed: bool = True,
    report: ReportOptions = DEFAULTS,
    **page: Any,
) -> None:
    """Write a result to the requested files, and print the report.

    Args:
        result: Result of an audit.
        json: JSON file, `STANDARD_OUTPUT` to print it in place of the report, or None.
        html: File of the HTML page, or None.
        title: Title of the page, or None.
        pictures: Files of pictures.
        quiet: True for no report.
        name_failed: True to name failed inputs on standard error if there is no report.
        report: Options of the report.
        page: Options of the page of this audit.
    """
    if html is not None:
        today = time_of_run().date()
        write_text(html, result_page(result, title=title or "", date=today, **page))
    if pictures:
        drawing = result_picture(result)
        for path in pictures:
            write_picture(path, drawing)
    printed = write_json(result, json)
    if not quiet and not printed:
        print_result(stdout(), result, replace(report, seconds=elapsed()))
    elif name_failed:
        name_failures(result)


def name_failures(result: BaseModel) -> None:
    """Name failed inputs on standard error, in place of the report; one line per model."""
    counts = result.failure_counts if isinstance(result, Result) else ()
    for line in filter(None, map(failure_line, counts)):
        complain(line)
