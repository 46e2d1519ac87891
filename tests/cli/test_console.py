"""Consoles: width, characters and colour of what a program prints."""

from __future__ import annotations

import io
import sys

import pytest
from onnx_ood.cli import console as consoles
from rich.table import Table


class Terminal(io.TextIOWrapper):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def stream(kind: type[io.TextIOWrapper], encoding: str = "utf-8") -> io.TextIOWrapper:
    return kind(io.BytesIO(), encoding=encoding, write_through=True)


def written(to: io.TextIOWrapper) -> str:
    return to.buffer.getvalue().decode(to.encoding)


@pytest.mark.parametrize(
    ("kind", "columns", "width"),
    [(io.TextIOWrapper, None, 120), (io.TextIOWrapper, "60", 60), (Terminal, "77", 77), (Terminal, None, 80)],
)
def test_reports_in_pipes_have_120_columns(
    kind: type[io.TextIOWrapper], columns: str | None, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns:
        monkeypatch.setenv("COLUMNS", columns)
    to = stream(kind)
    monkeypatch.setattr(sys, "stdout", to)
    assert consoles.stdout().width == width


def test_text_is_printed_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """No markup, no highlighting of numbers, no emoji codes."""
    to = stream(io.TextIOWrapper)
    monkeypatch.setattr(sys, "stdout", to)
    consoles.stdout().print("[bold]1 :smile: x[/bold]")
    assert written(to) == "[bold]1 :smile: x[/bold]\n"


def test_names_that_the_output_cannot_encode_do_not_end_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    to = stream(io.TextIOWrapper, "ascii")
    monkeypatch.setattr(sys, "stdout", to)
    consoles.stdout().print("müde")
    assert written(to) == "m?de\n"


def test_plain_reports_have_no_colour_and_no_box_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    shown = {}
    for plain in (True, False):
        to = stream(Terminal)
        monkeypatch.setattr(sys, "stdout", to)
        consoles.use_plain(plain)
        try:
            console = consoles.stdout()
            console.print("é", style="red")
            console.print(Table("head"))
        finally:
            consoles.use_plain(False)
        shown[plain] = written(to)
    assert "31m" in shown[False]
    assert "━" in shown[False]
    assert "31m" not in shown[True]
    assert "━" not in shown[True]
    assert "é" in shown[True]


def test_an_error_is_one_line_on_standard_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    consoles.complain("[bold] 7 " + "long " * 30)
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "onnx-ood: [bold] 7 " + "long " * 30 + "\n"


def test_a_closed_pipe_is_the_caller_s_to_handle(monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", Closed())
    with pytest.raises(BrokenPipeError):
        consoles.stdout().print("x")


def test_errors_have_no_emoji_codes(capsys: pytest.CaptureFixture[str]) -> None:
    consoles.complain("a:smile:b [red]c[/red]")
    consoles.stderr().print("a:smile:b [red]c[/red]")
    assert capsys.readouterr().err == "onnx-ood: a:smile:b [red]c[/red]\na:smile:b [red]c[/red]\n"
