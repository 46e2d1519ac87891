"""Consoles for reports, progress and errors."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from io import TextIOWrapper
from time import perf_counter

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from typing_extensions import override

from onnx_ood._printable import escape_controls, shown

# Width of a report in a file or a pipe.
_PIPE_WIDTH = 120
_plain = False
_started = perf_counter()


class _Console(Console):
    """A console that leaves a broken pipe to its caller; rich's own ends the program."""

    @override
    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        # Texts are escaped where they are shown; this holds for those of libraries too, such as tracebacks.
        for segment in super().render(renderable, options):
            safe = segment.control or segment.text.isprintable() or segment.text == "\n"
            yield segment if safe else segment._replace(text=escape_controls(segment.text))

    @override
    def on_broken_pipe(self) -> None:
        self.quiet = True
        raise BrokenPipeError


class _PlainConsole(_Console):
    """A console that draws with ASCII only; names keep their characters."""

    @property
    @override
    def encoding(self) -> str:
        return "ascii"


def use_plain(wanted: bool) -> None:
    """Choose reports in ASCII without colour, for screen readers and logs."""
    global _plain  # noqa: PLW0603 - an option of the program, shared by all commands
    _plain = wanted


def start_clock() -> None:
    """Start to measure the duration of a command."""
    global _started  # noqa: PLW0603 - one clock of the program
    _started = perf_counter()


def elapsed() -> float | None:
    """Return the seconds since the clock started; None in a file or pipe, where equal runs give equal reports."""
    return perf_counter() - _started if sys.stdout.isatty() else None


def stdout() -> Console:
    """Make a console for results; plain text unless standard output is a terminal."""
    if isinstance(sys.stdout, TextIOWrapper) and not sys.stdout.encoding.lower().startswith("utf"):
        # A name with characters unknown to the output must not end the program.
        sys.stdout.reconfigure(errors="replace")
    width = None if sys.stdout.isatty() or os.environ.get("COLUMNS") else _PIPE_WIDTH
    kind = _PlainConsole if _plain else _Console
    return kind(width=width, highlight=False, markup=False, emoji=False, no_color=_plain or None)


def complain(message: str) -> None:
    """Print an error as one line on standard error."""
    stderr().print(
        f"onnx-ood: {shown(message)}", style="bold red", markup=False, highlight=False, soft_wrap=True
    )


def stderr() -> Console:
    """Make a console on standard error, for progress and errors."""
    return _Console(stderr=True, highlight=False, markup=False, emoji=False)
