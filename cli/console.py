"""The consoles that commands print to."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper

from rich.console import Console

# Width of a report that goes to a file or a pipe, where there is no terminal to ask.
_PIPE_WIDTH = 120


def stdout() -> Console:
    """A console for results: plain text where standard output is not a terminal."""
    if isinstance(sys.stdout, TextIOWrapper) and not sys.stdout.encoding.lower().startswith("utf"):
        # A name that the output can't encode is no reason to end with a traceback.
        sys.stdout.reconfigure(errors="replace")
    width = None if sys.stdout.isatty() or os.environ.get("COLUMNS") else _PIPE_WIDTH
    return Console(width=width, highlight=False, markup=False, emoji=False)


def stderr() -> Console:
    """A console for progress and errors."""
    return Console(stderr=True, highlight=False, markup=False, emoji=False)
