"""Advice for misspelled names in error messages."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """Suggest the closest known name, or list all of them.

    >>> did_you_mean("sice", ["size", "opset"])
    "did you mean 'size'?"
    >>> did_you_mean("--cop", ["--top", "--copies"])
    "did you mean '--copies'?"
    >>> did_you_mean("x", ["size", "opset"])
    'choose from size, opset'
    """
    names = list(known)
    # An abbreviation is more likely than a misspelling.
    close = [name for name in names if wrong and name.startswith(wrong)] or get_close_matches(
        wrong, names, n=1
    )
    return f"did you mean {close[0]!r}?" if close else f"choose from {', '.join(names)}"
