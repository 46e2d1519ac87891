"""Terminal report of a check: width, encoding and hostile names."""

from __future__ import annotations

from io import StringIO

import pytest
from check_results import ALL
from rich.console import Console

from onnx_ood.reports.check.terminal import print_check


def test_names_do_not_drive_the_terminal() -> None:
    out = StringIO()
    print_check(Console(width=400, file=out, markup=False, color_system=None), ALL)
    text = out.getvalue()
    assert all(line.isprintable() for line in text.splitlines())
    assert "\\x1b[31m\\x00" in text


@pytest.mark.parametrize("width", [80, 120, 160])
@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_the_terminal_report_fits_and_reads_without_colour(width: int, encoding: str) -> None:
    class _Out(StringIO):
        @property
        def encoding(self) -> str:
            return encoding

    out = _Out()
    clean = ALL.model_copy(
        update={"gates": tuple(one.model_copy(update={"notes": (), "title": "x" * 60}) for one in ALL.gates)}
    )
    print_check(Console(width=width, file=out, highlight=False, markup=False, emoji=False), clean)
    text = out.getvalue()
    assert max(map(len, text.splitlines())) <= width
    assert text.isascii() == (encoding == "ascii")
    lines = [line for line in text.splitlines() if "passed " in line or "failed " in line]
    assert "failed" in lines[0]
    assert text.splitlines()[0] == "failed: 1 failed, 1 not evaluated, 2 passed"
