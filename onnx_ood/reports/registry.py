"""Renderings of any result, found by the name of its audit; see `onnx_ood._audits`."""

from __future__ import annotations

import datetime
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from io import StringIO
from typing import Any

from pydantic import BaseModel
from rich.console import Console

from onnx_ood._arguments import checked
from onnx_ood.exceptions import UsageError
from onnx_ood.reports.escaping import escaped
from onnx_ood.reports.report_options import DEFAULTS, ReportOptions
from onnx_ood.results.registry import audit_of

# Width of a report that a page shows as text, and number of entries in it.
_WIDTH = 110
_TOP = 20


def print_result(console: Console, result: BaseModel, options: ReportOptions = DEFAULTS) -> None:
    """Print a result as the command that made it does; texts from models and file names are escaped.

    Args:
        console: Console to print to.
        result: Result of any audit.
        options: What to show.
    """
    audit = audit_of(result)
    printer = getattr(import_module(f"onnx_ood.reports.{audit}.terminal"), f"print_{audit}")
    printer(console, escaped(result), options)


@checked
def result_page(
    result: BaseModel, *, title: str = "", date: datetime.date | None = None, **options: Any
) -> str:
    """Render a result as one HTML page, which loads nothing and holds the result as JSON.

    Args:
        result: Result of any audit. If its audit has no page of its own, the page shows the terminal report as text.
        title: Title of the page, above the result; empty for none.
        date: Date of the page; None for none, so that equal results give equal pages.
        options: Options of the page of this audit.
    """
    from onnx_ood.reports._html.page import Heading, headed  # noqa: PLC0415 - terminal reports need no pages

    audit = audit_of(result)
    with headed(Heading(title, date)):
        if find_spec(f"onnx_ood.reports.{audit}.page") is None:
            return checked(_text_page)(audit, result, **options)
        page = getattr(import_module(f"onnx_ood.reports.{audit}.page"), f"{audit}_page")
        return str(checked(page)(result, **options))


def result_picture(result: BaseModel) -> str:
    """Draw the charts of a result's page as one standalone SVG.

    Args:
        result: Result of an audit with charts.

    Raises:
        UsageError: If results of this audit have no charts of their own.
    """
    audit = audit_of(result)
    if find_spec(f"onnx_ood.reports.{audit}.picture") is None:
        raise UsageError(f"a result of {audit} has no charts to draw; write its HTML page instead")
    draw = getattr(import_module(f"onnx_ood.reports.{audit}.picture"), f"{audit}_picture")
    return str(draw(result))


def result_text(result: BaseModel, options: ReportOptions = DEFAULTS) -> str:
    """Render a result as its command prints it, without colours.

    Args:
        result: Result of any audit.
        options: What to show.
    """
    text = StringIO()
    console = Console(file=text, width=_WIDTH, color_system=None, highlight=False, markup=False, emoji=False)
    print_result(console, result, options)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())


def _text_page(audit: str, result: BaseModel) -> str:
    from onnx_ood.reports._html.markup import element, joined  # noqa: PLC0415 - terminal reports need no pages
    from onnx_ood.reports._html.page import page  # noqa: PLC0415

    shown = result_text(result, ReportOptions(top=_TOP, verbose=True))
    content = joined(
        element("h1", f"onnx-ood {audit}", id="verdict-name"),
        element("pre", element("code", shown), tabindex=0, role="group", aria_label="Report"),
    )
    return page(audit, audit, [("verdict", "Report", content)], result, version("onnx_ood"))
