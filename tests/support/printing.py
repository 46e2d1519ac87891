"""Terminal reports as lines of text."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from typing import Any

from rich.console import Console, RenderableType


def lines_of(part: RenderableType, width: int = 100) -> list[str]:
    """Lines of a part of a report."""
    return _lines(lambda console: console.print(part), width)


def report_of(
    print_report: Callable[..., None], result: object, width: int = 100, **options: Any
) -> list[str]:
    """Lines of a whole report."""
    return _lines(lambda console: print_report(console, result, **options), width)


def _lines(show: Callable[[Console], object], width: int) -> list[str]:
    file = StringIO()
    show(Console(file=file, width=width, color_system=None, legacy_windows=False))
    return [line.rstrip() for line in file.getvalue().splitlines()]
