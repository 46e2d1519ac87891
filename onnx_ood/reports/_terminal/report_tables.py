"""What all terminal reports share: tables and lines of settings."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text


def table(title: str, caption: str | None = None) -> Table:
    """An empty table in the house's style: no frame, a rule under the head."""
    return Table(
        title=Text(title, style="bold"),
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
    """Builds the richest table that fits the console without cutting anything but names.

    Args:
        console: Where it will be printed.
        build: Makes the table for a level (0 has the most columns) and a greatest width of names.
        levels: Number of levels.
        longest: Width of the longest name.
        shortest: Names are not cut below this, but columns dropped, while there is a further level.

    Returns:
        The table.
    """
    unlimited = console.options.update(width=10_000)
    for level in range(levels):
        natural = console.measure(build(level, longest), options=unlimited).maximum
        excess = max(0, natural - console.width)
        if level == levels - 1 or longest - excess >= min(shortest, longest):
            return build(level, max(8, longest - excess))
    raise AssertionError("a table has at least one level")


def facts(console: Console, pairs: Iterable[tuple[str, str]]) -> None:
    """Prints names and values in two aligned columns; values wrap under themselves."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in pairs:
        if value:
            grid.add_row(name, Text(value))
    console.print(grid)


def bullets(console: Console, lines: Iterable[str], style: str = "") -> None:
    """Prints lines with a hanging bullet."""
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for line in lines:
        grid.add_row(Text("-", style=style), Text(line, style=style))
    console.print(grid)
