"""Tables and lists of terminal reports at several widths."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console
from rich.table import Table
from rich.text import Text

from onnx_ood.reports._terminal.report_tables import bullets, facts, fitted, table, titled

NAME = "a_rather_long_name_of_a_layer"


def printed(part: object, width: int) -> list[str]:
    console = Console(file=StringIO(), width=width, color_system=None)
    console.print(part)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]


def build(level: int, width: int) -> Table:
    made = table("title")
    made.add_column("name", no_wrap=True)
    for k in range(3 - level):
        made.add_column(f"column {k}", no_wrap=True)
    made.add_row(Text(NAME[:width]), *["0.123456"] * (3 - level))
    return made


@pytest.mark.parametrize(
    ("width", "columns", "name"), [(80, 3, len(NAME)), (55, 3, 20), (42, 2, 20), (12, 1, 8)]
)
def test_columns_are_dropped_before_names_become_short(width: int, columns: int, name: int) -> None:
    console = Console(file=StringIO(), width=width)
    made = fitted(console, build, levels=3, longest=len(NAME))
    assert len(made.columns) - 1 == columns
    (cell,) = made.columns[0].cells
    assert len(str(cell)) >= name
    if width > 12:
        assert max(map(len, printed(made, width))) <= width


def test_facts_and_bullets_leave_out_what_is_empty() -> None:
    assert printed(facts([("model", "m.onnx"), ("note", "")]), 40) == ["model  m.onnx"]
    assert bullets([]) is None
    assert printed(bullets(["a long line of words", "b"]), 12) == ["- a long", "  line of", "  words", "- b"]


def test_a_title_needs_a_part() -> None:
    assert titled("Title", None) is None
    assert printed(titled("Title", bullets(["a"])), 20) == ["Title", "- a"]
