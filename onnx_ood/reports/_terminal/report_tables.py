"""Tables and lists of terminal reports."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.table import Table
from rich.text import Text

# Names are not shortened below this width.
_MIN_NAME = 8


def table(title: str = "", caption: str | None = None) -> Table:
    """Make an empty table: no frame, a rule below the head."""
    return Table(
        title=Text(title, style="bold") if title else None,
        title_justify="left",
        caption=caption,
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
        header_style="bold",
    )


def fitted(
    console: Console, build: Callable[[int, int], Table], *, levels: int, longest: int, shortest: int = 20
) -> Table:
    """Build the table with the most columns that fits the console; only names are shortened.

    Args:
        console: Console to print to.
        build: Function from a level (0 has the most columns) and the maximum width of names to a table.
        levels: Number of levels.
        longest: Width of the longest name.
        shortest: Width below which names are not shortened while a further level can drop columns.

    Returns:
        The table.
    """
    unlimited = console.options.update(width=10_000)
    for level in range(levels):
        natural = _width(build(level, longest), unlimited, console)
        excess = max(0, natural - console.width)
        if level == levels - 1 or longest - excess >= min(shortest, longest):
            width = max(_MIN_NAME, longest - excess)
            # Wide characters take two columns.
            while width > _MIN_NAME and _width(build(level, width), unlimited, console) > console.width:
                width -= 1
            return build(level, width)
    raise AssertionError("a table has at least one level")


def _width(view: Table, options: ConsoleOptions, console: Console) -> int:
    return console.measure(view, options=options).maximum


def facts(pairs: Iterable[tuple[str, str]]) -> Table:
    """Make a list of names and values in two aligned columns; empty values are left out.

    Args:
        pairs: Names and values; a long value wraps in its column.
    """
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in pairs:
        if value:
            grid.add_row(name, Text(value))
    return grid


def bullets(lines: Iterable[str], style: str = "") -> Table | None:
    """Make a list with hanging bullets.

    Args:
        lines: The entries.
        style: Style of all of them.

    Returns:
        The list, or None without entries.
    """
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for line in lines:
        grid.add_row(Text("-", style=style), Text(line, style=style))
    return grid if grid.row_count else None


def titled(title: str, part: RenderableType | None) -> RenderableType | None:
    """Put a title above a part; None stays None."""
    return None if part is None else Group(Text(title, style="bold"), part)
