"""Spelling of ids: kebab-case on the command line and in TOML files, snake_case in Python and JSON.

Detectors, corruptions, types of trajectories and synthetic sets have such ids.
"""

from __future__ import annotations


def snake_id(text: str) -> str:
    """Spell an id as Python and JSON do.

    Args:
        text: The id as a user typed it; of `DETECTOR@PROBE` the tensor's name is left as it is.

    >>> snake_id("class-cosine")
    'class_cosine'
    >>> snake_id("cosine-drop@/conv-1/Relu")
    'cosine_drop@/conv-1/Relu'
    """
    name, at, probe = text.partition("@")
    return f"{name.replace('-', '_')}{at}{probe}"


def kebab_id(text: str) -> str:
    """Spell an id as the command line and TOML files do.

    Args:
        text: The id in Python.

    >>> kebab_id("cosine_drop@conv_1")
    'cosine-drop@conv_1'
    """
    name, at, probe = text.partition("@")
    return f"{name.replace('_', '-')}{at}{probe}"


def snake_ids(names: tuple[str, ...]) -> tuple[str, ...]:
    """Spell several ids as Python and JSON do."""
    return tuple(map(snake_id, names))
