"""HTML and SVG that can't come out unescaped or unbalanced: elements are made by functions, and all text is escaped."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from unicodedata import category

# Signs without a shape that do no harm, as all kinds of spaces do none: by the last two letters and emoji are joined.
_SHOWN = "\n\t\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"
# Elements that have no end tag.
_EMPTY = frozenset({"br", "img", "input", "meta"})


class Markup(str):
    """Text that is HTML already and stands in a page as it is."""

    __slots__ = ()


Child = str | None | Iterable["Child"]
Value = str | float | bool | None


def text(value: str) -> Markup:
    """A text as HTML: what would be markup is escaped, what no page may hold is replaced.

    Args:
        value: Any text, including text from untrusted files.
    """
    if isinstance(value, Markup):
        return value
    if not value.isprintable():
        # Control characters and lone surrogates can't be written at all, and marks of direction reorder what is around.
        value = "".join(
            c if c.isprintable() or c in _SHOWN or category(c) == "Zs" else "\N{REPLACEMENT CHARACTER}"
            for c in value
        )
    return Markup(escape(value))


def element(name: str, /, *children: Child, **attributes: Value) -> Markup:
    """An element with all that is in it.

    Args:
        name: Its tag.
        children: Elements, texts, or collections of them; None is nothing.
        attributes: By name, with `_` for `-`, and one more behind a name that is a word of Python: `class_`. True gives
            an attribute without a value; None and False leave it out.
    """
    start = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in _EMPTY:
        return Markup(f"<{name}{start}>")
    return Markup(f"<{name}{start}>{joined(*children)}</{name}>")


def joined(*children: Child) -> Markup:
    """Elements and texts one after the other."""
    parts = []
    for child in children:
        if child is None:
            continue
        parts.append(text(child) if isinstance(child, str) else joined(*child))
    return Markup("".join(parts))


def shape(value: float) -> str:
    """A coordinate, to a hundredth of a unit and without zeros at its end."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if value % 1 else f"{value:.0f}"


def _attribute(key: str, value: Value) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    if value is True:
        return f" {name}"
    return f' {name}="{text(value) if isinstance(value, str) else shape(value)}"'
