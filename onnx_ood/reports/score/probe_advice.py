"""Advice on probes, on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from onnx_ood.audits.score.result import ProbeAdvice
from onnx_ood.reports import numbers, words
from onnx_ood.reports._terminal.report_tables import fitted, table


def advice_table(
    console: Console, advice: Sequence[ProbeAdvice] | None, probes: Sequence[str]
) -> Table | None:
    """Make the table of advice on probes.

    Args:
        console: Console to print to.
        advice: Advised probes, then the others; None without advice.
        probes: Names of all probes, in the order of their numbers in reports.
    """
    if not advice:
        return None
    places = {name: f"[{place}]" for place, name in enumerate(probes, start=1)}
    advised = sum(one.advised for one in advice)

    def build(level: int, names: int) -> Table:
        view = table(
            f"Probes to watch: {advised} of {len(advice)}"
            + (", and the reasons against the others" if advised < len(advice) else ""),
            "reliability: share of the variance of drops that is not error over copies; spread: standard deviation of "
            "log10 drop over inputs; active: share of units above 0",
        )
        view.add_column("", justify="right", no_wrap=True)
        if level == 0:
            view.add_column("probe", no_wrap=True)
        view.add_column("reliability", justify="right", no_wrap=True)
        view.add_column("spread", justify="right", no_wrap=True)
        view.add_column("active", justify="right", no_wrap=True)
        view.add_column("correlation", justify="right", no_wrap=True)
        view.add_column("why", overflow="fold")
        shown = words.shorten_apart([one.name for one in advice], names)
        for row, (one, name) in enumerate(zip(advice, shown, strict=True), start=1):
            like = (
                "" if one.most_similar is None else f"{one.correlation:.2f} with {places[one.most_similar]}"
            )
            cells = [
                places[one.name],
                *([name] if level == 0 else []),
                f"{one.reliability:.2f}",
                numbers.number(one.spread),
                numbers.percent(one.active),
                like,
                one.reason,
            ]
            style = "" if one.advised else "dim"
            view.add_row(
                *(Text(cell, style=style) for cell in cells), end_section=row == advised < len(advice)
            )
        return view

    return fitted(console, build, levels=2, longest=max(len(one.name) for one in advice))
