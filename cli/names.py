"""Names on the command line, with commas between."""

from __future__ import annotations


def read_names(text: str | None) -> tuple[str, ...]:
    """The names in a text; none of None.

    Args:
        text: As in `msp, energy`.
    """
    return tuple(name.strip() for name in text.split(",")) if text else ()
