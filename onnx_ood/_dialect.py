"""Names of settings in messages: as an option in the CLI, as an argument in Python.

The command line sets the dialect once. Code that raises an error names settings by `named`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal

Dialect = Literal["python", "cli", "toml"]

# Fields whose flag is not their name with hyphens.
FLAGS = {"probes": "--probe", "feeds": "--feed", "reference": "--reference"}

_dialect: ContextVar[Dialect] = ContextVar("dialect", default="python")


@contextmanager
def dialect(kind: Dialect) -> Iterator[None]:
    """Names settings as one kind of user knows them, for as long as the context lasts."""
    token = _dialect.set(kind)
    try:
        yield
    finally:
        _dialect.reset(token)


def flag(setting: str) -> str:
    """Spell a setting as its command-line flag.

    >>> flag("batch_size")
    '--batch-size'
    """
    return FLAGS.get(setting, f"--{setting.replace('_', '-')}")


def named(setting: str, value: object = None) -> str:
    """Name a setting in the language of the user, with a value.

    Args:
        setting: Name of the parameter or field in Python.
        value: What to write for it; None to name it alone.

    Returns:
        `--copies 2` on the command line, `copies = 2` in a TOML file, `copies=2` in Python.

    >>> named("copies", 2)
    'copies=2'
    >>> with dialect("cli"):
    ...     named("copies", 2)
    '--copies 2'
    >>> with dialect("cli"):
    ...     named("bundled_reference", False)
    '--no-bundled-reference'
    """
    kind = _dialect.get()
    if kind == "cli" and value is False:
        return flag(setting).replace("--", "--no-", 1)
    if kind == "cli":
        return flag(setting) if value is None or value is True else f"{flag(setting)} {value}"
    if kind == "toml":
        key = setting.replace("_", "-")
        return key if value is None else f"{key} = {_literal(value)}"
    return setting if value is None else f"{setting}={value!r}"


def named_feed(name: str, value: str) -> str:
    """Name the feed of a model input, with its value.

    Args:
        name: Name of the model input.
        value: What to write for it.

    >>> named_feed("mask", "ones")
    "feeds={'mask': 'ones'}"
    >>> with dialect("cli"):
    ...     named_feed("mask", "ones")
    '--feed mask=ones'
    """
    kind = _dialect.get()
    if kind == "cli":
        return f"{flag('feeds')} {name}={value}"
    return f'feeds.{name} = "{value}"' if kind == "toml" else f"feeds={{{name!r}: {value!r}}}"


def _literal(value: object) -> str:
    return (
        f'"{value}"'
        if isinstance(value, str)
        else str(value).lower()
        if isinstance(value, bool)
        else str(value)
    )
