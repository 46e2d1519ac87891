"""Frame of all pages: one file that loads nothing and holds the result as JSON."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date
from functools import cache
from hashlib import sha256
from importlib.resources import files

from pydantic import BaseModel
from pydantic_core import PydanticSerializationError

from onnx_ood.reports._html.markup import Child, Markup, element, joined
from onnx_ood.reports.escaping import escaped
from onnx_ood.results.base import Failure

# In JSON text these occur in strings only, where an escape means the same. Without them, no string can end the element
# around it or begin a comment.
_ESCAPES = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&\u2028\u2029"}

# Failed inputs listed without unfolding.
_MAX_LISTED = 10


@dataclass(frozen=True)
class Heading:
    """Title and date above a result.

    Attributes:
        title: Title of the page; empty for none.
        date: Date of the page; None for none, so that equal results give equal pages.
    """

    title: str = ""
    date: date | None = None


_heading: ContextVar[Heading | None] = ContextVar("heading", default=None)


@contextmanager
def headed(heading: Heading) -> Iterator[None]:
    """Give the pages that the body renders a heading."""
    token = _heading.set(heading)
    try:
        yield
    finally:
        _heading.reset(token)


def page(
    title: str, kind: str, sections: Sequence[tuple[str, str, Child]], result: BaseModel, version: str
) -> str:
    """Render a page.

    Args:
        title: Name of the audited model.
        kind: Name of the audit.
        sections: Fragment, name and content of each; sections without content are omitted.
        result: Stored in the page as JSON that follows the published schema.
        version: Version of onnx_ood.

    Returns:
        HTML. Its policy allows no resource but embedded pictures, and no script but its own.
    """
    shown = [(fragment, name, content) for fragment, name, content in sections if content]
    style, script = _asset("charts.css") + _asset("page.css"), _asset("page.js")
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="generator", content=f"onnx_ood {version}"),
        element("title", " · ".join(filter(None, (_heading_of_page().title, title, f"onnx-ood {kind}")))),
        element("style", Markup(style)),
    )
    links = [element("li", element("a", name, href=f"#{fragment}")) for fragment, name, _ in shown]
    body = element(
        "body",
        element("a", "Skip to the result", class_="skip", href="#main"),
        element(
            "header",
            element("p", element("b", "onnx-ood"), f" {kind}", class_="brand"),
            element("nav", element("ul", links), aria_label="Sections"),
            class_="top",
        ),
        element("main", _own_heading(), [_section(*one) for one in shown], id="main"),
        element(
            "footer",
            element(
                "p",
                f"Made by onnx_ood {version}. This page is one file: it loads nothing and sends nothing. "
                "The result is in it as JSON.",
            ),
        ),
        element("div", id="tip", role="presentation", hidden=True),
        element("script", Markup(_json(result)), id="result", type="application/json"),
        element("script", Markup(script)),
    )
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


def fact_list(facts: Sequence[tuple[str, Child]]) -> Markup:
    """List of names and values; empty values are omitted."""
    rows = [element("div", element("dt", name), element("dd", value)) for name, value in facts if value]
    return element("dl", rows, class_="facts")


def table(
    caption: str,
    heads: Sequence[tuple[str, bool]],
    rows: Sequence[Sequence[Child]],
    *,
    row_class: Sequence[str | None] | None = None,
) -> Markup:
    """Table that scrolls on its own if it is wider than the page.

    Args:
        caption: Title.
        heads: Name of each column, and True for numbers.
        rows: Cells; the first names the row.
        row_class: CSS class of each row.
    """
    aligned = ["number" if numeric else None for _, numeric in heads]
    top = [
        element("th", name, scope="col", class_=side) for (name, _), side in zip(heads, aligned, strict=True)
    ]
    classes = row_class or [None] * len(rows)
    lines = [
        element(
            "tr",
            element("th", row[0], scope="row", class_=aligned[0]),
            [element("td", cell, class_=side) for cell, side in zip(row[1:], aligned[1:], strict=True)],
            class_=kind,
        )
        for row, kind in zip(rows, classes, strict=True)
    ]
    body = element(
        "table",
        element("caption", element("span", caption)),
        element("thead", element("tr", top)),
        element("tbody", lines),
    )
    return element("div", body, class_="scroller", tabindex=0, role="group", aria_label=caption)


def bullets(lines: Sequence[Child], kind: str | None = None) -> Markup | None:
    """Bullet list, or None without lines."""
    return element("ul", [element("li", line) for line in lines], class_=kind) if lines else None


def folded(summary: str, *children: Child) -> Markup:
    """Part that is shown when unfolded, and in print."""
    return element("details", element("summary", summary), children, class_="folded")


def failure_list(failures: Sequence[Failure]) -> Markup | None:
    """List of failures by name; most of a long list is folded."""
    lines = [
        joined(element("span", failure.id, class_="name"), f": {failure.reason}") for failure in failures
    ]
    further = lines[_MAX_LISTED:]
    return joined(
        bullets(lines[:_MAX_LISTED]),
        folded(f"{len(further):,} more", bullets(further)) if further else None,
    )


def _heading_of_page() -> Heading:
    return _heading.get() or Heading()


def _own_heading() -> Markup | None:
    own = _heading_of_page()
    if not own.title and own.date is None:
        return None
    day = None if own.date is None else f"{own.date.day} {own.date:%B %Y}"
    return element(
        "div",
        element("b", own.title),
        element("time", day, datetime=own.date.isoformat()) if own.date is not None else None,
        class_="own",
    )


def _section(fragment: str, name: str, content: Child) -> Markup:
    # The first section has the page's own heading in it.
    heading = None if fragment == "verdict" else element("h2", name, id=f"{fragment}-name")
    return element("section", joined(heading, content), id=fragment, aria_labelledby=f"{fragment}-name")


def _json(result: BaseModel) -> str:
    try:
        text = result.model_dump_json(by_alias=True)
    except PydanticSerializationError:  # bytes of a file name that are not UTF-8
        text = escaped(result).model_dump_json(by_alias=True)
    return text.translate(_ESCAPES)


def _hash(content: str) -> str:
    return f"sha256-{b64encode(sha256(content.encode()).digest()).decode()}"


@cache
def _asset(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")
