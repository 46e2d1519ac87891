"""Order and height of terminal reports."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console
from rich.text import Text

from onnx_ood.reports._terminal.report_layout import LINES, Answer, closing, height, print_report
from onnx_ood.reports._terminal.report_tables import table


def printed(*parts: object, head: Answer | None = None, width: int = 40) -> list[str]:
    out = StringIO()
    print_report(
        Console(file=out, width=width),
        head or Answer("It is so"),
        *parts,
        foot=Text("model"),  # type: ignore[arg-type]
    )
    return out.getvalue().splitlines()


def test_the_answer_is_first_and_warnings_follow() -> None:
    lines = printed(None, Text("numbers"), head=Answer("It is so", warnings=["", "few inputs"]))
    assert [line.rstrip() for line in lines] == ["It is so", "! few inputs", "", "numbers", "model"]


@pytest.mark.parametrize(
    ("count", "verbose", "shown"), [(3, False, 3), (4, False, 2), (9, False, 2), (9, True, 9)]
)
def test_many_warnings_are_counted(count: int, verbose: bool, shown: int) -> None:
    lines = printed(head=Answer("It is so", warnings=[f"warning {i}" for i in range(count)], verbose=verbose))
    assert sum("warning" in line for line in lines) == shown
    assert any(line.startswith(f"! {count - shown} more: --verbose") for line in lines) == (shown < count)


def test_a_report_of_more_lines_than_a_terminal_repeats_the_answer() -> None:
    # The head, an empty line and the foot are three lines.
    most = Text("\n".join(["number"] * (LINES - 3)))
    assert printed(most).count("It is so") == 1
    assert len(printed(most)) == LINES
    more = Text("\n".join(["number"] * (LINES - 2)))
    assert printed(more)[-2:] == ["It is so", "model"]


def test_titles_wrap_at_the_width_of_the_console() -> None:
    view = table("A title longer than its table", "A caption longer than it")
    view.add_column("x")
    view.add_row("1")
    lines = [line.rstrip() for line in printed(view)]
    assert "A title longer than its table" in lines
    assert "A caption longer than it" in lines
    assert height(Console(width=40), view) == 5


def test_the_last_line_has_both_sides_if_they_fit() -> None:
    def last(width: int) -> list[str]:
        out = StringIO()
        console = Console(file=out, width=width)
        console.print(closing(console, "3 others: --all", ["model", "", "cpu"], more="layers"))
        return out.getvalue().splitlines()

    # 15 and 27 characters.
    assert last(45) == ["3 others: --all   model · cpu · -v for layers"]
    assert last(44) == ["3 others: --all", "model · cpu · -v for layers"]
