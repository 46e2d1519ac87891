"""Names shortened to a width, and phrases that several reports use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile

from onnx_ood.results.base import FROM_FILES


def shorten(text: str, width: int) -> str:
    """Keeps the end of a path, which tells files apart: `…photos/cat.jpg`."""
    return text if len(text) <= width else "…" + text[len(text) - width + 1 :]


def without_common_start(names: Sequence[str], width: int) -> list[str]:
    """Leaves out the folders that all names begin with, if they don't fit otherwise: `…/encoder/0/Relu`."""
    parts = [name.split("/")[:-1] for name in names]
    same = _alike(zip(*parts, strict=False))
    shared = "/".join(parts[0][:same]) if names else ""
    # One sign takes the place of what is left out.
    if len(names) < 2 or len(shared) < 2 or max(map(len, names)) <= width:
        return list(names)
    return [f"…{name[len(shared) :]}" for name in names]


def without_common_end(names: Sequence[str], width: int) -> list[str]:
    """Leaves out what all names end with, if they don't fit otherwise: `/encoder/0/norm…`."""
    if len(names) < 2 or max(map(len, names)) <= width:
        return list(names)
    same = _alike(zip(*map(reversed, names), strict=False))
    return [f"{name[: len(name) - same]}…" for name in names] if same > 1 else list(names)


def shorten_middle(text: str, width: int) -> str:
    """Keeps both ends of a layer's name; the first tells where, the last tells what: `/blocks.3/…/Relu`."""
    return _cut(text, width, (width - 1) // 3)


def shorten_apart(names: Sequence[str], width: int) -> list[str]:
    """Shortens the names of layers in one way, chosen so that as many as possible can be separated.

    Args:
        names: The names.
        width: Characters at most.
    """
    shown = without_common_start(names, width)
    usual = (width - 1) // 3
    ways = [
        [_cut(name, width, tail) for name in some]
        for some in (without_common_end(shown, width), shown)
        for tail in sorted(range(max(width - 1, 1)), key=lambda tail: abs(tail - usual))
    ]
    return max(ways, key=lambda way: len(set(way)))


def _alike(steps: Iterable[tuple[str, ...]]) -> int:
    """How many steps, from the first on, are the same for all."""
    return sum(1 for _ in takewhile(lambda step: len(set(step)) == 1, steps))


def _cut(text: str, width: int, tail: int) -> str:
    if len(text) <= width:
        return text
    return f"{text[: width - 1 - tail]}…{text[len(text) - tail :]}"


def feeds(given: Mapping[str, str]) -> str:
    """Where the values of a model's other inputs came from, as a result has it."""
    return ", ".join(
        f"{name} from the files" if value == FROM_FILES else f"{name}={value}"
        for name, value in given.items()
    )
