"""`onnx-ood check`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

import onnx_ood
from onnx_ood.audits.check.config import NAMES as CHECK_NAMES
from onnx_ood.audits.check.config import CheckPlan, find_check_file, read_check_file
from onnx_ood.audits.check.result import EXIT_CODES, CheckResult
from onnx_ood.audits.check.starter import STARTER
from onnx_ood.exceptions import OutputError, UsageError
from onnx_ood.reports.check.gate_text import printable
from onnx_ood.reports.check.github import to_annotations, unheard
from onnx_ood.reports.check.gitlab import to_gitlab
from onnx_ood.reports.check.junit import to_junit
from onnx_ood.reports.check.markdown import to_check_markdown
from onnx_ood.reports.check.sarif import to_sarif
from onnx_ood.reports.files import append_text, check_writable, to_json, write_new, write_text
from onnx_ood.reports.registry import print_result, result_page

from .console import complain, stdout
from .output import STANDARD_OUTPUT, HtmlFile, JsonFile, attempt, check_outputs, print_json
from .progress import progress_bar


def check(
    config: Annotated[
        Path | None,
        typer.Argument(
            metavar="CONFIG",
            help="A TOML file of models and gates. Default: onnx-ood.toml here, or else [tool.onnx_ood] of "
            "pyproject.toml.",
        ),
    ] = None,
    init: Annotated[
        bool, typer.Option("--init", help="Write a commented file to begin with, and check nothing.")
    ] = False,
    update_baseline: Annotated[
        bool,
        typer.Option(
            "--update-baseline", help="Keep the figures of this run as the baseline that the file names."
        ),
    ] = False,
    json: JsonFile = None,
    junit: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write JUnit XML: a suite a model, a case a gate.")
    ] = None,
    sarif: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write SARIF 2.1.0, for code scanning.")
    ] = None,
    gitlab: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write GitLab's code-quality JSON.")
    ] = None,
    markdown: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a page of Markdown.")] = None,
    html: HtmlFile = None,
    github: Annotated[
        bool,
        typer.Option(
            "--github", help="In GitHub Actions: annotate the file's lines, and add to the step's summary."
        ),
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no report.")] = False,
) -> None:
    """Check models against gates: passed (exit code 0), failed (1), not evaluated (3), or an error (2)."""
    if init:
        if update_baseline:
            raise UsageError(
                "--init checks nothing, so that there is no baseline to update: leave out either"
            )
        path = config or Path(CHECK_NAMES[0])
        write_new(path, STARTER)
        if not quiet:
            stdout().print(f"{path}: written; name your model and inputs there, then say onnx-ood check")
        return
    if github and json == STANDARD_OUTPUT:
        raise UsageError(
            "--github prints annotations, and --json - nothing but JSON: name a file, or leave out either"
        )
    plan = read_check_file(find_check_file(config))
    renderings: tuple[tuple[str, Path | None, Callable[[CheckResult], str]], ...] = (
        ("--json", None if json == STANDARD_OUTPUT else json, to_json),
        ("--junit", junit, partial(to_junit, when=_time_of_run())),
        ("--sarif", sarif, to_sarif),
        ("--gitlab", gitlab, to_gitlab),
        ("--markdown", markdown, to_check_markdown),
        ("--html", html, result_page),
    )
    outputs = {option: (file, render) for option, file, render in renderings if file is not None}
    _keep_apart({option: file for option, (file, _) in outputs.items()}, plan)
    # Without its baseline a run that updates it is for nothing. Without an output there are the others.
    check_outputs(plan.baseline if update_baseline else None)
    written = [(file, render) for file, render in outputs.values() if attempt(check_writable, file)]
    well = [len(written) == len(outputs)]
    with progress_bar("checking", quiet=quiet) as progress:
        result, baseline = onnx_ood.check(plan, update_baseline=update_baseline, progress=progress)
    if update_baseline and plan.baseline is not None and baseline is not None:
        well.append(attempt(write_text, plan.baseline, to_json(baseline)))
    well += [attempt(write_text, file, render(result)) for file, render in written]
    if github and (summary := os.environ.get("GITHUB_STEP_SUMMARY")):
        well.append(attempt(append_text, Path(summary), to_check_markdown(result)))
    for problem in result.problems:
        complain(printable(problem))
    _print(result, json=json == STANDARD_OUTPUT, quiet=quiet, github=github)
    raise typer.Exit(EXIT_CODES[result.status] if all(well) else OutputError.exit_code)


def _time_of_run() -> datetime:
    """Now, or what SOURCE_DATE_EPOCH says, with which two runs give the same bytes."""
    said = os.environ.get("SOURCE_DATE_EPOCH")
    if not said:
        return datetime.now(UTC)
    try:
        return datetime.fromtimestamp(int(said), UTC)
    except (ValueError, OverflowError, OSError):
        raise UsageError(
            f"SOURCE_DATE_EPOCH={said!r} in the environment is no time in seconds since 1970; correct or unset it"
        ) from None


def _keep_apart(outputs: Mapping[str, Path], plan: CheckPlan) -> None:
    """Refuses to write over what the check reads, and to write two things to one place."""
    taken = {plan.path.resolve(): "the file of gates"}
    for name, model in plan.config.models.items():
        taken[Path(model.path).resolve()] = f"models.{name}"
        if model.baseline_model is not None:
            taken[Path(model.baseline_model).resolve()] = f"the baseline model of {name}"
    files = outputs if plan.baseline is None else {"the baseline": plan.baseline, **outputs}
    for option, file in files.items():
        place = file.resolve()
        if place in taken:
            raise UsageError(f"{option} {file.as_posix()}: is {taken[place]} already; name another file")
        taken[place] = option


def _print(result: CheckResult, *, json: bool, quiet: bool, github: bool) -> None:
    """Prints what was asked for; who reads it may stop early, and the exit code is that of the gates all the same."""
    try:
        if json:
            print_json(result)
        elif not quiet:
            console = stdout()
            with console.capture() if github else nullcontext() as captured:
                print_result(console, result)
            if captured is not None:
                sys.stdout.write(unheard(result, captured.get()))
        if github:
            sys.stdout.write(to_annotations(result))
        sys.stdout.flush()
    except BrokenPipeError:
        sys.stdout = None
