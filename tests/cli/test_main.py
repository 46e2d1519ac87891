"""How the program ends, for each way that a command can end."""

from __future__ import annotations

import errno
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from onnx_ood.cli import Interrupted, _interrupt
from onnx_ood.cli.main import run

from onnx_ood import models
from onnx_ood.exceptions import ModelError, NotEvaluatedError, OutputError, UsageError


def ending(error: BaseException | None, monkeypatch: pytest.MonkeyPatch, code: object = None) -> int:
    def app(*_: object, **__: object) -> object:
        if error is not None:
            raise error
        return code

    monkeypatch.setattr(sys.modules[run.__module__], "app", app)
    return run(["anything"])


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (None, 0, ""),
        (SystemExit(), 0, ""),
        (SystemExit(0), 0, ""),
        (SystemExit(5), 5, ""),
        (UsageError("wrong"), 64, "onnx-ood: wrong\n"),
        (ModelError("broken"), 2, "onnx-ood: broken\n"),
        (OutputError("full"), OutputError.exit_code, "onnx-ood: full\n"),
        (NotEvaluatedError("little"), 3, "onnx-ood: little\n"),
        (KeyboardInterrupt(), 130, "onnx-ood: interrupted\n"),
        (Interrupted(signal.SIGTERM), 143, "onnx-ood: interrupted\n"),
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


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_program_with_one_line(sent: signal.Signals, code: int, tmp_path: Path) -> None:
    """A run that takes long; its output file is checked before the model runs, and not left behind."""
    rows = np.zeros((20_000, 1, 28, 28), np.float32)
    np.save(tmp_path / "rows.npy", rows + np.arange(20_000)[:, None, None, None].astype(np.float32))
    words = ["score", models.path("fashion_cnn"), tmp_path / "rows.npy", "--copies", "1000"]
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "onnx_ood", *words, "--provider", "cpu", "--json", tmp_path / "r.json"],
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        time.sleep(6)
        process.send_signal(sent)
        _, written = process.communicate(timeout=60)
    assert process.returncode == code
    assert [line for line in written.splitlines() if not line.endswith("...")] == ["onnx-ood: interrupted"]
    assert [path.name for path in tmp_path.iterdir()] == ["rows.npy"]


@pytest.mark.parametrize(("sent", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_during_imports_ends_the_program_with_one_line(sent: str, code: int) -> None:
    program = (
        "import builtins, os, signal\nfrom onnx_ood.cli import main\nload = builtins.__import__\n"
        "def late(name, *rest):\n"
        f"    if name == 'typer': os.kill(os.getpid(), signal.{sent})\n"
        "    return load(name, *rest)\n"
        "builtins.__import__ = late\nmain()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (code, "onnx-ood: interrupted\n")


@pytest.mark.parametrize("error", [ImportError("initialization failed"), ModelError("broken"), None])
def test_an_error_after_a_signal_is_an_interruption(
    error: Exception | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the initialisation of a C extension replaces the exception of the signal handler by its own."""

    def app(*_: object, **__: object) -> int:
        with pytest.raises(Interrupted):
            _interrupt(signal.SIGINT, None)
        if error is not None:
            raise error
        return 0

    monkeypatch.setattr(sys.modules[run.__module__], "app", app)
    assert run(["anything"]) == (0 if error is None else 130)
    assert capsys.readouterr().err == ("" if error is None else "onnx-ood: interrupted\n")
    # A later command in the same process is not interrupted.
    assert ending(ModelError("broken"), monkeypatch) == ModelError.exit_code


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--copies", "2", "--copies", "3"], "--copies is given more than once; give it once"),
        (["--json", "a.json", "--json=b.json"], "--json is given more than once; give it once"),
        (["--detectors", "msp", "--detectors", "knn"], "--detectors is given more than once"),
        (["--copies"], "Option '--copies' requires an argument"),
    ],
)
def test_an_option_with_one_value_is_given_once(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["score", "model.onnx", "x.png", *words]) == 64
    assert message in capsys.readouterr().err


def test_options_of_several_values_and_switches_may_be_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--probe", "a", "--probe", "b", "--verbose", "--verbose"]
    assert run(["score", "model.onnx", "no/such.png", *words]) == 64
    assert "no/such.png: no such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["score", "--cache"],
        ["score", "--json"],
        ["bench", "--html"],
        ["plane", "--feed"],
        ["instrument", "-o"],
    ],
)
def test_an_empty_value_is_refused_before_anything_is_made(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the shell passes an unset variable: `--cache "$DIR"`. An empty path would be the working folder."""
    monkeypatch.chdir(tmp_path)
    command, option = words
    assert run([command, str(models.path("fashion_cnn")), option, ""]) == 64
    assert "is empty; give a value, or leave it out" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["score", "inspect", "doctor"])
def test_a_title_without_a_page_is_refused(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = {"score": ["m.onnx", "x.npy"], "inspect": ["m.onnx"], "doctor": []}[command]
    assert run([command, *arguments, "--title", "Mine"]) == 64
    assert "add --html FILE" in capsys.readouterr().err
