"""Order of a report: the answer, warnings, the numbers, and where the rest is."""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from onnx_ood.reports._terminal.marks import Marks

LINES = 23
"""Most lines of a default report: a terminal of 24 lines still shows the first one above the prompt."""
MIN_ROWS = 3
"""Rows of the main table that are shown however many lines the rest takes."""
# Warnings in a default report; the others follow with --verbose.
_MAX_WARNINGS = 3


class Answer:
    """Head of a report: the answer in one line, and warnings directly below."""

    def __init__(
        self, text: str, style: str = "", warnings: Iterable[str] = (), *, verbose: bool = False
    ) -> None:
        """Make the head of a report.

        Args:
            text: The answer, one sentence.
            style: Colour of the answer; it is bold in any case.
            warnings: Limits of the answer, the most important first; empty texts are left out.
            verbose: True for all warnings, False for the first few and the number of the others.
        """
        self.line = Text(text, style=f"bold {style}".rstrip())
        lines = [line for line in warnings if line]
        shown = lines if verbose or len(lines) <= _MAX_WARNINGS else lines[: _MAX_WARNINGS - 1]
        more = len(lines) - len(shown)
        self.warnings = Table.grid(padding=(0, 1))
        self.warnings.add_column(no_wrap=True)
        self.warnings.add_column(overflow="fold")
        for line in [*shown, *([f"{more} more: --verbose"] if more else [])]:
            self.warnings.add_row(Text("!", style="bold yellow"), Text(line, style="yellow"))

    def __rich__(self) -> RenderableType:
        """Return the line, and the warnings if there are some."""
        return Group(self.line, self.warnings) if self.warnings.row_count else self.line


def closing(console: Console, rest: str, about: Iterable[str], *, more: str = "") -> RenderableType:
    """Make the last line: where the rest is, then the model and the run.

    Args:
        console: Console to print to; texts that don't fit side by side go on two lines.
        rest: What the report leaves out and the option that shows it, or empty.
        about: Facts of the run; empty ones are left out.
        more: What --verbose adds, or empty.
    """
    texts = [*about, f"-v for {more}" if more else ""]
    facts = Text(f" {Marks(console).separator} ".join(filter(None, texts)), style="dim")
    if not rest:
        return facts
    gap = console.width - len(rest) - facts.cell_len
    return Text.assemble(rest, " " * gap, facts) if gap >= 3 else Group(Text(rest), facts)


def duration(seconds: float | None) -> str:
    """Format a duration; empty for None.

    >>> duration(1.62), duration(75.0), duration(None)
    ('1.6 s', '1 min 15 s', '')
    """
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"


def _captioned(part: RenderableType) -> RenderableType:
    """Take title and caption out of a table, to wrap at the width of the console, not of the table."""
    if not isinstance(part, Table):
        return part
    bare = copy(part)
    bare.title = bare.caption = None
    above = [Text(str(part.title), style="bold")] if part.title else []
    below = [Text(str(part.caption), style="dim")] if part.caption else []
    return Group(*above, bare, *below)


def height(console: Console, *parts: RenderableType | None) -> int:
    """Count the lines of parts of a report."""
    present = [_captioned(part) for part in parts if part is not None]
    return sum(len(console.render_lines(part, pad=False)) for part in present)


def print_report(console: Console, head: Answer, *parts: RenderableType | None, foot: RenderableType) -> None:
    """Print a report; a long one has the answer again at its end, where a terminal shows it.

    Args:
        console: Console to print to.
        head: The answer.
        parts: Further parts, with an empty line before each; None is left out.
        foot: Last line.
    """
    present = [_captioned(part) for part in parts if part is not None]
    console.print(head)
    for part in present:
        console.print()
        console.print(part)
    if height(console, head, *present, foot) + len(present) > LINES:
        console.print()
        console.print(head.line)
    console.print(foot)
