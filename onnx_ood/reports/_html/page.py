"""The frame of every page: one file that loads nothing, with the result inside it as JSON."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from importlib.resources import files

from pydantic import BaseModel

from onnx_ood.reports._html.markup import Child, Markup, element, joined
from onnx_ood.results.base import Failure

# In a JSON text these stand in strings alone, where an escape means the same; without them nothing in a string can end
# the element around it, or begin a comment.
_ESCAPES = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&\u2028\u2029"}

# Failed inputs that are named at once.
_AT_ONCE = 10


def page(
    title: str, kind: str, sections: Sequence[tuple[str, str, Child]], result: BaseModel, version: str
) -> str:
    """A page as text.

    Args:
        title: What is audited.
        kind: By which command.
        sections: Fragment, name and content of each; where the content is None it is left out.
        result: What the page shows; it stands in the page as JSON that follows the published schema.
        version: Of onnx_ood.

    Returns:
        The page. Its policy lets it load nothing but the pictures that are in it, and run no script but its own.
    """
    shown = [(fragment, name, content) for fragment, name, content in sections if content]
    style, script = _asset("page.css"), _asset("page.js")
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
        element("title", f"{title} · onnx-ood {kind}"),
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
        element("main", [_section(*one) for one in shown], id="main"),
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
    """Names and what they are; those of nothing are left out."""
    rows = [element("div", element("dt", name), element("dd", value)) for name, value in facts if value]
    return element("dl", rows, class_="facts")


def table(
    caption: str,
    heads: Sequence[tuple[str, bool]],
    rows: Sequence[Sequence[Child]],
    *,
    row_class: Sequence[str | None] | None = None,
) -> Markup:
    """A table that scrolls by itself where it is wider than the page.

    Args:
        caption: What it shows.
        heads: Name of each column, and whether it holds numbers.
        rows: Cells; the first one names the row.
        row_class: A class for each row.
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
    """A list, or nothing if there is nothing to list."""
    return element("ul", [element("li", line) for line in lines], class_=kind) if lines else None


def folded(summary: str, *children: Child) -> Markup:
    """What is shown once it is asked for, and in print."""
    return element("details", element("summary", summary), children, class_="folded")


def failure_list(failures: Sequence[Failure]) -> Markup | None:
    """What failed, by name; what would make the page long is folded away."""
    lines = [
        joined(element("span", failure.id, class_="name"), f": {failure.reason}") for failure in failures
    ]
    further = lines[_AT_ONCE:]
    return joined(
        bullets(lines[:_AT_ONCE]),
        folded(f"{len(further):,} more", bullets(further)) if further else None,
    )


def _section(fragment: str, name: str, content: Child) -> Markup:
    # The first section has the page's own heading in it.
    heading = None if fragment == "verdict" else element("h2", name, id=f"{fragment}-name")
    return element("section", joined(heading, content), id=fragment, aria_labelledby=f"{fragment}-name")


def _json(result: BaseModel) -> str:
    return result.model_dump_json(by_alias=True).translate(_ESCAPES)


def _hash(content: str) -> str:
    return f"sha256-{b64encode(sha256(content.encode()).digest()).decode()}"


@cache
def _asset(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")
