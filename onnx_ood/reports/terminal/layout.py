"""What all terminal reports share: tables and lines of settings."""

from __future__ import annotations

from collections.abc import Iterable

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
        header_style="bold",
    )


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
