"""Options whose value may be left out, as in `--fail-on-flagged` and `--fail-on-flagged 0.05`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple


class OptionalValue(NamedTuple):
    """Value that stands for an omitted one.

    Attributes:
        default: Value of the option without one.
        accepts: Function that returns whether the next word of the command line is a value, not an argument.
    """

    default: str
    accepts: Callable[[str], bool]


def is_number(word: str) -> bool:
    """Return whether a word is a number.

    >>> is_number("0.05"), is_number("photos")
    (True, False)
    """
    try:
        float(word)
    except ValueError:
        return False
    return True


def fill_values(words: Sequence[str], options: Mapping[str, OptionalValue]) -> list[str]:
    """Add omitted values to a command line.

    Args:
        words: Words of the command line.
        options: Options whose value may be left out, by flag.

    >>> fill_values(["--share", "photos"], {"--share": OptionalValue("0", is_number)})
    ['--share=0', 'photos']
    """
    filled: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--":
            return [*filled, word, *rest]
        if option := options.get(word):
            given = bool(rest) and not rest[0].startswith("-") and option.accepts(rest[0])
            word = f"{word}={rest.pop(0) if given else option.default}"
        filled.append(word)
    return filled
