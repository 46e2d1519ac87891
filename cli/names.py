"""Comma-separated names on the command line."""

from __future__ import annotations


def read_names(text: str | None) -> tuple[str, ...]:
    """Split comma-separated names.

    >>> read_names("msp, energy")
    ('msp', 'energy')
    """
    return tuple(name.strip() for name in text.split(",")) if text is not None else ()
