"""The consoles that commands print to."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper

from rich.console import Console
from typing_extensions import override

# Width of a report that goes to a file or a pipe, where there is no terminal to ask.
_PIPE_WIDTH = 120
_plain = False


class _PlainConsole(Console):
    """Draws with ASCII as if the output had no other characters; names keep theirs."""

    @property
    @override
    def encoding(self) -> str:
        return "ascii"


def use_plain(wanted: bool) -> None:
    """Settles whether reports are drawn with ASCII and without colour, as screen readers and logs like it."""
    global _plain  # noqa: PLW0603 - an option of the program, which all its commands share
    _plain = wanted


def stdout() -> Console:
    """A console for results: plain text where standard output is not a terminal."""
    if isinstance(sys.stdout, TextIOWrapper) and not sys.stdout.encoding.lower().startswith("utf"):
        # A name that the output can't encode is no reason to end with a traceback.
        sys.stdout.reconfigure(errors="replace")
    width = None if sys.stdout.isatty() or os.environ.get("COLUMNS") else _PIPE_WIDTH
    kind = _PlainConsole if _plain else Console
    return kind(width=width, highlight=False, markup=False, emoji=False, no_color=_plain or None)


def complain(message: str) -> None:
    """Says on standard error, in one line, what went wrong."""
    stderr().print(f"onnx-ood: {message}", style="bold red", markup=False, highlight=False, soft_wrap=True)


def stderr() -> Console:
    """A console for progress and errors."""
    return Console(stderr=True, highlight=False, markup=False, emoji=False)
