"""The program `onnx-ood`: its commands, and how it ends."""

from __future__ import annotations

import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from onnx_ood.exceptions import OnnxOodError, UsageError

from . import (
    bench,
    check,
    demo,
    diff,
    directions,
    doctor,
    inspect,
    instrument,
    plane,
    preprocess,
    score,
    sensitivity,
    show,
)
from .console import complain, stderr, use_plain

app = typer.Typer(
    name="onnx-ood",
    help="Audit a third-party neural network given only its ONNX file.",
    no_args_is_help=False,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.command("score")(score.score)
app.command("sensitivity")(sensitivity.sensitivity)
app.command("bench")(bench.bench)
app.command("directions")(directions.directions)
app.command("check")(check.check)
app.command("preprocess")(preprocess.preprocess)
app.command("plane")(plane.plane)
app.command("inspect")(inspect.inspect)
app.command("instrument")(instrument.instrument)
app.command("show")(show.show)
app.command("diff")(diff.diff)
app.command("doctor")(doctor.doctor)
app.command("demo")(demo.demo)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"onnx-ood {version('onnx_ood')}")
        raise typer.Exit


@app.callback(
    epilog="Exit codes: 0 passed, 1 a gate failed, 2 tool or model error, 3 nothing or too little evaluated, 64 usage."
)
def _top(
    _version: Annotated[
        bool,
        typer.Option("--version", help="Show the version and exit.", callback=_print_version, is_eager=True),
    ] = False,
    plain: Annotated[
        bool, typer.Option("--plain", help="Draw reports with ASCII and without colour.")
    ] = False,
) -> None:
    use_plain(plain)


def main() -> None:
    """Runs the program and ends it with the exit code of design rule 8.

    A user's mistake is one line on standard error. Anything unforeseen is a bug of ours and shows its traceback.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            # Closed by who runs us and doesn't want to see it; the exit code is still wanted.
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - as long as we run
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Runs one command.

    Args:
        arguments: What follows the program's name.

    Returns:
        The exit code.
    """
    try:
        return app(arguments, standalone_mode=False) or 0
    except OnnxOodError as error:
        return _fail(str(error), error.exit_code)
    except typer.TyperException as error:
        return _fail(f"{error.format_message().rstrip('.')}; see onnx-ood --help", UsageError.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        return _fail("interrupted", 130)
    except BrokenPipeError:
        # The reader of our output (head, less) has gone; that is its right.
        sys.stdout = None
        return 0
    except Exception:
        stderr().print_exception()
        return _fail("this is a bug in onnx_ood; please report it with the traceback above", 2)


def _fail(message: str, code: int) -> int:
    complain(message)
    return code
