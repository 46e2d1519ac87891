"""Which probes to watch, on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from onnx_ood.audits.score.result import ProbeAdvice
from onnx_ood.reports import numbers, words
from onnx_ood.reports._terminal.report_tables import fitted, table


def print_advice(console: Console, advice: Sequence[ProbeAdvice], probes: Sequence[str]) -> None:
    """Prints which probes to watch, and why not the others.

    Args:
        console: Where to.
        advice: The advised probes, then the others.
        probes: Names of all, in the order in which reports number them.
    """
    places = {name: f"[{place}]" for place, name in enumerate(probes, start=1)}
    advised = sum(one.advised for one in advice)

    def build(level: int, names: int) -> Table:
        view = table(
            f"Probes to watch: {advised} of {len(advice)}"
            + (" and, after the gap, why not the others" if advised < len(advice) else ""),
            "Reliability: share of the variance between inputs that isn't error over copies. Spread: standard "
            "deviation of log10 drop over inputs. On: share of units above 0.",
        )
        view.add_column("", justify="right", no_wrap=True)
        if level == 0:
            view.add_column("probe", no_wrap=True)
        view.add_column("reliability", justify="right", no_wrap=True)
        view.add_column("spread", justify="right", no_wrap=True)
        view.add_column("on", justify="right", no_wrap=True)
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

    console.print()
    longest = max(len(one.name) for one in advice)
    console.print(fitted(console, build, levels=2, longest=longest))
