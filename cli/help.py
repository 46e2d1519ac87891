"""Help texts: options in groups, wrapped at the width of the terminal."""

from __future__ import annotations

from typing import Any

GROUPS = ("Input", "Detector", "Nudge", "Measurement", "Run", "Output")
"""Headings of options, in the order of the help; options without one come last."""

_LABEL_WIDTH = 24


def write_options(command: Any, ctx: Any, formatter: Any) -> None:
    """Write the arguments and options of a command, one heading per group.

    Args:
        command: The command.
        ctx: Its context.
        formatter: Formatter that the text is written to.
    """
    groups: dict[str, list[tuple[str, str]]] = {name: [] for name in ("Arguments", *GROUPS, "Options")}
    for one in command.get_params(ctx):
        record = one.get_help_record(ctx)
        if record is None:
            continue
        if one.param_type_name == "argument":
            groups["Arguments"].append((one.metavar or one.name.upper(), one.help or ""))
        else:
            group = getattr(one, "rich_help_panel", None) or "Options"
            groups.setdefault(group, []).append(record)
    for name, rows in groups.items():
        if rows:
            with formatter.section(name):
                formatter.write_dl(rows, col_max=_LABEL_WIDTH)
