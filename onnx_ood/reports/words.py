"""Names shortened to a width, and phrases shared by several reports."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile

from onnx_ood._limits import MIN_SET_SIZE
from onnx_ood.results.base import FROM_FILES, Failure, FailureCount

# Failed inputs that one line names.
_MOST_NAMED = 5
SPACES: Mapping[str, str] = {
    "pixel": "in pixel space",
    "tensor": "in tensor space",
    "feature": "times the spread of each feature",
}
"""Units of the standard deviation of nudges, by space."""


def shorten(text: str, width: int) -> str:
    """Shorten a path from its start: `…photos/cat.jpg`."""
    return text if len(text) <= width else "…" + text[len(text) - width + 1 :]


def without_flags(text: str) -> str:
    """Name settings in words, for readers who have no command line.

    >>> without_flags("Known-good inputs are better (--reference).")
    'Known-good inputs are better.'
    >>> without_flags("Give --reference, or use a larger --scale.")
    'Give references, or use a larger scale.'
    """
    text = re.sub(r" \(--[a-z-]+( [A-Z]+)?\)", "", text)
    text = text.replace("--reference", "references")
    return re.sub(r"--([a-z][a-z-]*)", lambda flag: flag[1].replace("-", " "), text)


def counted(count: int, noun: str) -> str:
    """Format a number of things.

    >>> counted(1, "input"), counted(2000, "input")
    ('1 input', '2,000 inputs')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def too_few(id_count: int, sets: Iterable[tuple[str, int]]) -> str:
    """Name the sets that are too small to be evaluated, in one sentence.

    Args:
        id_count: Number of in-distribution inputs.
        sets: Name and number of inputs of each out-of-distribution set.

    >>> too_few(30, [("fog", 5), ("noise", 40)])
    'set fog has 5 inputs, at least 10 needed'
    """
    small = [f"set {name} has {counted(count, 'input')}" for name, count in sets if count < MIN_SET_SIZE]
    if id_count < MIN_SET_SIZE:
        small.insert(0, f"there are {counted(id_count, 'in-distribution input')}")
    return f"{', '.join(small) or 'too few inputs'}, at least {MIN_SET_SIZE} needed"


def failure_text(failures: Sequence[Failure], count: int | None = None, what: str = "measured") -> str:
    """Count failed inputs and name the first, in one sentence; empty if none failed.

    Args:
        failures: Failed inputs, or the first of them.
        count: Number of all failed inputs; None for those listed.
        what: Participle of what failed.
    """
    if not failures:
        return ""
    number = len(failures) if count is None else count
    first = f"{failures[0].id}: {failures[0].reason}"
    return f"{counted(number, 'input')} could not be {what}{'; the first' if number > 1 else ''}: {first}"


def failure_line(count: FailureCount) -> str:
    """Count failed inputs and name the first with their reasons, in one line; empty if none failed.

    >>> failure_line(FailureCount([Failure(id="a.jpg", reason="empty file")], 3, 24))
    '3 of 24 inputs failed: a.jpg: empty file; and 2 more'
    """
    if not count.number:
        return ""
    shown = count.failed[:_MOST_NAMED]
    names = [f"{one.id}: {one.reason}" for one in shown]
    if len(shown) < count.number:
        names.append(f"and {count.number - len(shown):,} more")
    share = (
        counted(count.number, "input")
        if count.total is None
        else f"{count.number:,} of {counted(count.total, 'input')}"
    )
    return f"{f'{count.model}: ' if count.model else ''}{share} failed: {'; '.join(names)}"


def by_reason(reasons: Iterable[tuple[str, str]], most: int = 5) -> list[str]:
    """Join names with the same reason.

    >>> by_reason([("a", "empty"), ("b", "gone"), ("c", "empty")], most=1)
    ['empty: a and 1 more', 'gone: b']

    Args:
        reasons: Names with the reason of each.
        most: Maximum number of names per reason.
    """
    names: dict[str, list[str]] = {}
    for name, reason in reasons:
        names.setdefault(reason, []).append(name)
    return [
        f"{reason}: {', '.join(some[:most])}"
        + (f" and {len(some) - most:,} more" if len(some) > most else "")
        for reason, some in names.items()
    ]


def file_name(path: str) -> str:
    """Return the last part of a path."""
    return path.rpartition("/")[2]


def without_common_folder(names: Sequence[str]) -> list[str]:
    """Cut the folder that all names begin with.

    >>> without_common_folder(["photos/a/cat.jpg", "photos/b/dog.jpg"])
    ['a/cat.jpg', 'b/dog.jpg']
    """
    parts = [name.split("/")[:-1] for name in names]
    same = _alike(zip(*parts, strict=False))
    return ["/".join(name.split("/")[same:]) for name in names]


def without_common_start(names: Sequence[str], width: int) -> list[str]:
    """Cut the folders that all names begin with, unless all fit: `…/encoder/0/Relu`."""
    parts = [name.split("/")[:-1] for name in names]
    same = _alike(zip(*parts, strict=False))
    shared = "/".join(parts[0][:same]) if names else ""
    if len(names) < 2 or len(shared) < 2 or max(map(len, names)) <= width:
        return list(names)
    return [f"…{name[len(shared) :]}" for name in names]


def without_common_end(names: Sequence[str], width: int) -> list[str]:
    """Cut the common end of all names, unless all fit: `/encoder/0/norm…`."""
    if len(names) < 2 or max(map(len, names)) <= width:
        return list(names)
    same = _alike(zip(*map(reversed, names), strict=False))
    return [f"{name[: len(name) - same]}…" for name in names] if same > 1 else list(names)


def shorten_middle(text: str, width: int) -> str:
    """Shorten the name of a layer from its middle: `/blocks.3/…/Relu`."""
    return _cut(text, width, (width - 1) // 3)


def shorten_apart(names: Sequence[str], width: int) -> list[str]:
    """Shorten names, all at the same place, so that as many as possible stay distinct.

    Args:
        names: The names.
        width: Most characters of a name.
    """
    shown = without_common_start(names, width)
    usual = (width - 1) // 3
    ways = [
        [_cut(name, width, tail) for name in some]
        for some in (without_common_end(shown, width), shown)
        for tail in sorted(range(max(width - 1, 1)), key=lambda tail: abs(tail - usual))
    ]
    return max(ways, key=lambda way: len(set(way)))


def shorten_paths(names: Sequence[str], width: int) -> list[str]:
    """Shorten paths to their ends, or at another place if the ends are not distinct.

    >>> shorten_paths(["photos/a/cat.jpg", "photos/b/dog.jpg"], 10)
    ['…a/cat.jpg', '…b/dog.jpg']
    >>> shorten_paths(["photos/cat_left.jpg", "photos/dog_left.jpg"], 9)
    ['…/cat…', '…/dog…']
    """
    ends = [shorten(name, width) for name in names]
    return ends if len(set(ends)) == len(set(names)) else shorten_apart(names, width)


def _alike(steps: Iterable[tuple[str, ...]]) -> int:
    """Count the first steps that are the same for all."""
    return sum(1 for _ in takewhile(lambda step: len(set(step)) == 1, steps))


def _cut(text: str, width: int, tail: int) -> str:
    if len(text) <= width:
        return text
    return f"{text[: width - 1 - tail]}…{text[len(text) - tail :]}"


def feeds(given: Mapping[str, str]) -> str:
    """Describe the values of a model's other inputs."""
    return ", ".join(
        f"{name} from the files" if value == FROM_FILES else f"{name}={value}"
        for name, value in given.items()
    )
