"""Texts from models, cards and file names, which are untrusted, made safe to print."""

from __future__ import annotations

from unicodedata import category


def shown(text: object) -> str:
    r"""Escape what is not printable, so that a text stays on one line.

    Names are untrusted: unescaped, a newline would fake a second message or a command of a CI runner, an escape
    sequence would drive the terminal, and a lone surrogate would crash the print.

    Args:
        text: Anything that can be made a string.

    >>> shown("a\n\x1b[31m")
    'a\\n\\x1b[31m'
    """
    raw = str(text)
    return raw if raw.isprintable() else "".join(c if c.isprintable() else _escape(c) for c in raw)


def escape_controls(text: str) -> str:
    r"""Escape control and formatting characters and surrogates; keep newlines and all spaces.

    Args:
        text: Lines of text.

    >>> escape_controls("a b\n\x1b[31m")
    'a b\n\\x1b[31m'
    """
    return "".join(c if c == "\n" or c.isprintable() or category(c) == "Zs" else _escape(c) for c in text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
