"""The figures of docs/any-graph.md, printed as the lines of its table."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from checking import Figures

HEAD = (
    "| model | from | licence | tensors watched (main + inner) | refused | rank unknown | outputs bit-equal without "
    "optimisations | largest movement with optimisations |"
)
TABLE_ROW = "table row"
SELECTOR_RUNS = "selector runs"
Report = Callable[[str, str, str, Figures], None]


@pytest.fixture
def report(record_property: Callable[[str, object], None]) -> Report:
    """Takes a model, where it is from, its licence and its figures, and has them printed at the end."""

    def take(model: str, origin: str, licence: str, figures: Figures) -> None:
        record_property(TABLE_ROW, figures.row(model, origin, licence))

    return take


@pytest.fixture
def count_runs(record_property: Callable[[str, object], None]) -> Callable[[dict[str, int]], None]:
    """Takes the outcomes of a model's selectors, which are summed up at the end."""

    def take(outcomes: dict[str, int]) -> None:
        record_property(SELECTOR_RUNS, outcomes)

    return take


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints the table and the outcomes of selectors, if tests have filled them."""
    properties = [
        (name, value)
        for outcome in ("passed", "failed")
        for result in terminalreporter.stats.get(outcome, [])
        for name, value in result.user_properties
    ]
    runs = [value for name, value in properties if name == SELECTOR_RUNS]
    if runs:
        terminalreporter.section("selectors")
        sums = ", ".join(f"{sum(one[kind] for one in runs)} {kind}" for kind in runs[0])
        terminalreporter.write_line(f"{len(runs)} models: {sums}")
    rows = [value for name, value in properties if name == TABLE_ROW]
    if rows:
        terminalreporter.section("real models")
        for line in (HEAD, "|---" * HEAD.count(" | ") + "|---|", *rows):
            terminalreporter.write_line(str(line))
