"""Progress on standard error: a bar on terminals, plain lines elsewhere."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from command import run
from onnx_ood.cli.progress import show_progress

from onnx_ood import models


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("stream", [Terminal(), io.StringIO()])
def test_nothing_is_shown_if_unwanted(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    with show_progress(quiet=True) as progress:
        assert progress is None
    assert stream.getvalue() == ""


@pytest.mark.parametrize(("stream", "term"), [(io.StringIO(), "xterm"), (Terminal(), "dumb")])
def test_a_log_gets_a_line_at_the_start_of_each_phase(
    stream: io.StringIO, term: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", term)
    with show_progress(quiet=False) as progress:
        assert progress is not None
        for done in range(3):
            progress("references", done, 1440)
        progress("fitting auto", 0, None)
        progress("a\x1b[31m: inputs", 0, 2)
    assert stream.getvalue() == "references (1,440)...\nfitting auto...\na\\x1b[31m: inputs (2)...\n"


def test_a_terminal_shows_phase_count_and_time_and_no_question_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    for step in (("references", 60, 1440), ("fitting auto", 0, None)):
        with show_progress(quiet=False) as progress:  # draws the last step when it ends
            assert progress is not None
            progress(*step)
    text = stream.getvalue()
    assert "references" in text
    assert "60/1,440" in text
    assert "fitting auto" in text
    assert "?" not in text.replace("\x1b[?25", "")


def test_a_run_in_a_pipe_has_the_lines_on_standard_error_only(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", (models.fashion_samples()[0][:5, np.newaxis] / 255).astype(np.float32))
    done = run("score", models.path("fashion_cnn"), tmp_path / "x.npy", "--copies", 2)
    assert done.stderr == "fitting auto...\ninputs (5)...\n"
    assert "..." not in done.stdout.splitlines()[0]
    quiet = run("score", models.path("fashion_cnn"), tmp_path / "x.npy", "--copies", 2, "--quiet")
    assert (quiet.stdout, quiet.stderr) == ("", "")
