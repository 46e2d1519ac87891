"""How the program ends, for each way that a command can end."""

from __future__ import annotations

import errno
import subprocess
import sys

import pytest
from onnx_ood.cli.main import run

from onnx_ood.exceptions import ModelError, NotEvaluatedError, OutputError, UsageError


def ending(error: BaseException | None, monkeypatch: pytest.MonkeyPatch, code: object = None) -> int:
    def app(*_: object, **__: object) -> object:
        if error is not None:
            raise error
        return code

    monkeypatch.setattr(sys.modules[run.__module__], "app", app)
    return run(["anything"])


def exit_in_a_broken_pipe() -> SystemExit:
    """An exit while a broken pipe is handled, as by rich."""
    error = SystemExit(1)
    error.__context__ = BrokenPipeError()
    return error


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (None, 0, ""),
        (SystemExit(), 0, ""),
        (SystemExit(0), 0, ""),
        (SystemExit(5), 5, ""),
        (exit_in_a_broken_pipe(), 0, ""),
        (UsageError("wrong"), 64, "onnx-ood: wrong\n"),
        (ModelError("broken"), 2, "onnx-ood: broken\n"),
        (OutputError("full"), OutputError.exit_code, "onnx-ood: full\n"),
        (NotEvaluatedError("little"), 3, "onnx-ood: little\n"),
        (KeyboardInterrupt(), 130, "onnx-ood: interrupted\n"),
    ],
)
def test_each_error_has_its_code_and_line(
    error: BaseException | None,
    code: int,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert ending(error, monkeypatch) == code
    assert capsys.readouterr() == ("", words)


@pytest.mark.parametrize("code", [0, 1, 3])
def test_a_command_may_give_its_code(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ending(None, monkeypatch, code) == code


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_full_disk_behind_standard_output_is_no_bug(
    number: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stdout = sys.stdout
    assert ending(OSError(number, "No room"), monkeypatch) == OutputError.exit_code
    sys.stdout = stdout
    assert capsys.readouterr().err == "onnx-ood: standard output: cannot be written: No room\n"


@pytest.mark.parametrize(
    "error", [OSError(errno.EACCES, "No"), OSError(errno.EIO, "No", "file"), ValueError("odd")]
)
def test_other_errors_are_bugs_with_a_traceback(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ending(error, monkeypatch) == 2
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert "this is a bug in onnx_ood" in err


def test_the_help_imports_no_command() -> None:
    """It takes seconds otherwise: each command imports its audit, and so onnxruntime."""
    script = (
        "import sys\nfrom onnx_ood.cli.main import run\nrun(['--help'])\n"
        "sys.exit(' '.join({'onnxruntime', 'onnx_ood.cli.score', 'onnx_ood.audits.score'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.returncode == 0
    assert "Rank inputs" in done.stdout
