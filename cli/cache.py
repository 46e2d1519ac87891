"""`onnx-ood cache`."""

from __future__ import annotations

from typing import Annotated

import typer

import onnx_ood
from onnx_ood.reports import numbers, words

from .console import stdout
from .output import JsonFile, Quiet, Verbose, check_outputs, write_json

EXAMPLES = (
    "onnx-ood cache",
    "onnx-ood cache --clear",
)


def cache(
    clear: Annotated[
        bool, typer.Option("--clear", help="Remove all stored features.", rich_help_panel="Run")
    ] = False,
    json: JsonFile = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Show the folder and size of the cache of measured features, or empty it."""
    check_outputs(quiet=quiet, json=json)
    freed = onnx_ood.clear_cache() if clear else None
    found = onnx_ood.cache_info()
    printed = write_json(found, json)
    if quiet or printed:
        return
    console = stdout()
    if freed is not None:
        console.print(f"{numbers.size(freed)} removed")
    console.print(
        f"{numbers.size(found.size)} in {words.counted(found.files, 'file')}: {found.folder}", soft_wrap=True
    )
    if verbose:
        console.print(
            f"At most {numbers.size(found.limit)}; what was used longest ago is removed first. "
            f"{found.variable} names another folder, --no-cache turns the cache off for one run."
        )
