"""The progress bar."""

from __future__ import annotations

import io
import sys

import pytest
from onnx_ood.cli.progress import progress_bar


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("stream", "quiet"), [(Terminal(), True), (io.StringIO(), False)])
def test_nothing_is_shown_in_pipes_or_if_unwanted(
    stream: io.StringIO, quiet: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    with progress_bar("scoring", quiet=quiet) as progress:
        assert progress is None
    assert stream.getvalue() == ""


def test_a_terminal_shows_how_much_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    with progress_bar("scoring", quiet=False) as progress:
        assert progress is not None
        progress(30, 120)
    assert "scoring" in stream.getvalue()
    assert "30/120" in stream.getvalue()
