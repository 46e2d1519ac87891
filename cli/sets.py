"""The options --id and --ood: in-distribution inputs, and sets to separate from them."""

from __future__ import annotations

from typing import Annotated

import typer

from onnx_ood.exceptions import UsageError

IdInputs = Annotated[
    list[str] | None,
    typer.Option(
        "--id",
        metavar="PATH",
        help="In-distribution inputs (required): a file, folder or glob. Repeatable.",
        rich_help_panel="Input",
    ),
]
OodSets = Annotated[
    list[str] | None,
    typer.Option(
        "--ood",
        metavar="NAME=PATH",
        help="Out-of-distribution set: a file, folder or glob. Repeatable.",
        rich_help_panel="Input",
    ),
]


def read_sets(given: list[str]) -> dict[str, list[str]]:
    """Paths by name; one that is given twice has both.

    Raises:
        UsageError: If one has no name.
    """
    sets: dict[str, list[str]] = {}
    for text in given:
        name, equals, path = text.partition("=")
        if not equals or not name or not path:
            raise UsageError(f"--ood {text!r} is not NAME=PATH; name the set, as in --ood textures=folder")
        sets.setdefault(name, []).append(path)
    return sets
