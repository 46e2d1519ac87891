"""HTML and SVG from functions that escape all text and close all elements."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Protocol, runtime_checkable
from unicodedata import category

# Invisible characters that do no harm, as no kind of space does: the last two join letters and emoji.
_KEPT = "\n\t\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"
# Elements without an end tag.
_EMPTY = frozenset({"br", "img", "input", "meta"})


class Markup(str):
    """Text that is HTML already and is put into a page unchanged."""

    __slots__ = ()


@runtime_checkable
class Renderable(Protocol):
    """Part of a page that renders itself."""

    def __html__(self) -> Markup:
        """Render as HTML."""
        ...


Child = str | Renderable | None | Iterable["Child"]
Value = str | float | bool | None


def text(value: str) -> Markup:
    """Escape text, and replace the characters that no page may hold.

    Args:
        value: Any text, including text from untrusted files.
    """
    if isinstance(value, Markup):
        return value
    if not value.isprintable():
        # Control characters and lone surrogates cannot be written; marks of direction reorder their surroundings.
        value = "".join(
            c if c.isprintable() or c in _KEPT or category(c) == "Zs" else "\N{REPLACEMENT CHARACTER}"
            for c in value
        )
    return Markup(escape(value))


def element(name: str, /, *children: Child, **attributes: Value) -> Markup:
    """Build an element with its content.

    Args:
        name: Tag.
        children: Elements, texts, or collections of them; None is nothing.
        attributes: By name, with `_` for `-`, and a trailing `_` after a Python keyword: `class_`. True gives an
            attribute without a value; None and False omit it.

    >>> element("p", "a < b", class_="note")
    '<p class="note">a &lt; b</p>'
    """
    start = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in _EMPTY:
        return Markup(f"<{name}{start}>")
    return Markup(f"<{name}{start}>{joined(*children)}</{name}>")


def joined(*children: Child) -> Markup:
    """Concatenate elements and texts."""
    parts = []
    for child in children:
        if child is None:
            continue
        if isinstance(child, str):
            parts.append(text(child))
        elif isinstance(child, Renderable):
            parts.append(child.__html__())
        else:
            parts.append(joined(*child))
    return Markup("".join(parts))


def shape(value: float) -> str:
    """Format a coordinate to a hundredth of a unit, without trailing zeros.

    >>> shape(1.5), shape(2.0), shape(0.333)
    ('1.5', '2', '0.33')
    """
    return f"{value:.2f}".rstrip("0").rstrip(".") if value % 1 else f"{value:.0f}"


def _attribute(key: str, value: Value) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    if value is True:
        return f" {name}"
    return f' {name}="{text(value) if isinstance(value, str) else shape(value)}"'
