"""`onnx-ood check`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import typer

import onnx_ood
from onnx_ood._outputs import check_writable, model_files, run_files
from onnx_ood._printable import shown
from onnx_ood._writing import append_text, write_new, write_text
from onnx_ood.audits.check.baseline import to_baseline
from onnx_ood.audits.check.config import FILE_NAMES, CheckPlan, find_check_file, read_check_file
from onnx_ood.audits.check.result import EXIT_CODES, CheckResult
from onnx_ood.audits.check.starter import STARTER
from onnx_ood.exceptions import OutputError, UsageError
from onnx_ood.inputs import open_inputs
from onnx_ood.reports.check.github import muted, to_annotations
from onnx_ood.reports.check.gitlab import to_gitlab
from onnx_ood.reports.check.junit import to_junit
from onnx_ood.reports.check.markdown import to_check_markdown
from onnx_ood.reports.check.sarif import to_sarif
from onnx_ood.reports.formats.json import to_json
from onnx_ood.reports.registry import print_result, result_page
from onnx_ood.reports.report_options import ReportOptions

from .console import complain, elapsed, stdout
from .output import (
    STANDARD_OUTPUT,
    HtmlFile,
    JsonFile,
    Quiet,
    Title,
    Verbose,
    attempt,
    check_outputs,
    file_option,
    name_failures,
    print_json,
    time_of_run,
)
from .progress import show_progress

EXAMPLES = (
    "onnx-ood check --init",
    "onnx-ood check onnx-ood.toml --junit report.xml",
)


def _output_option(content: str) -> Any:
    return file_option(text=f"Write {content}.")


def check(
    config: Annotated[
        Path | None,
        typer.Argument(
            metavar="CONFIG",
            help="TOML file of models and gates. Default: onnx-ood.toml in this folder, or else the table "
            "tool.onnx_ood of pyproject.toml.",
        ),
    ] = None,
    init: Annotated[
        bool, typer.Option("--init", help="Write a commented CONFIG to start from, and exit.")
    ] = False,
    update_baseline: Annotated[
        bool, typer.Option("--update-baseline", help="Store the metrics of this run as the baseline.")
    ] = False,
    json: JsonFile = None,
    junit: Annotated[Path | None, _output_option("JUnit XML: one suite per model, one case per gate")] = None,
    sarif: Annotated[Path | None, _output_option("SARIF 2.1.0, for code scanning")] = None,
    gitlab: Annotated[Path | None, _output_option("GitLab's code-quality JSON")] = None,
    markdown: Annotated[Path | None, _output_option("a Markdown page")] = None,
    html: HtmlFile = None,
    title: Title = None,
    github: Annotated[
        bool,
        typer.Option(
            "--github",
            help="In GitHub Actions: annotate the lines of CONFIG, and append to the step's summary.",
            rich_help_panel="Output",
        ),
    ] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Check models against gates: passed (exit code 0), failed (1), not evaluated (3), or an error (2)."""
    if init:
        if any((update_baseline, json, junit, sarif, gitlab, markdown, html, github)):
            raise UsageError("--init checks nothing, so there is nothing to write or update; give it alone")
        path = config or Path(FILE_NAMES[0])
        write_new(path, STARTER)
        if not quiet:
            stdout().print(f"{path}: written; fill in your model and inputs, then run onnx-ood check")
        return
    if github and json == STANDARD_OUTPUT:
        raise UsageError(
            "--github and --json - both print to standard output; name a JSON file, or remove one"
        )
    plan = read_check_file(find_check_file(config))
    renderings: tuple[tuple[str, Path | None, Callable[[CheckResult], str]], ...] = (
        ("json", None if json == STANDARD_OUTPUT else json, to_json),
        ("junit", junit, partial(to_junit, when=time_of_run())),
        ("sarif", sarif, to_sarif),
        ("gitlab", gitlab, to_gitlab),
        ("markdown", markdown, to_check_markdown),
        ("html", html, partial(result_page, title=title or "")),
    )
    outputs = {option: (file, render) for option, file, render in renderings if file is not None}
    # A run that cannot update its baseline is useless; one that cannot write an output still has the others.
    baseline = plan.baseline if update_baseline else None
    check_outputs(quiet=quiet, baseline=baseline)
    failed = [option for option, (file, _) in outputs.items() if not attempt(check_writable, file)]
    files = {option: file for option, (file, _) in outputs.items() if option not in failed}
    reserved = {} if update_baseline or plan.baseline is None else {"the baseline": plan.baseline}
    check_outputs(_used(plan), quiet=quiet, reserved=reserved, baseline=baseline, **files)
    writable = [outputs[option] for option in files]
    success = [len(writable) == len(outputs)]
    updated = False
    with show_progress(quiet=quiet) as progress:
        result = onnx_ood.check(plan, update_baseline=update_baseline, progress=progress)
    if update_baseline and plan.baseline is not None and result.status != "error":
        updated = attempt(write_text, plan.baseline, to_json(to_baseline(result)))
        success.append(updated)
    success += [attempt(write_text, file, render(result)) for file, render in writable]
    if github and (summary := os.environ.get("GITHUB_STEP_SUMMARY")):
        success.append(attempt(append_text, Path(summary), to_check_markdown(result)))
    if quiet or json == STANDARD_OUTPUT:  # the report has them
        for problem in result.problems:
            complain(shown(problem))
        name_failures(result)
    _print(result, json=json == STANDARD_OUTPUT, quiet=quiet, verbose=verbose, github=github)
    if updated and not quiet:
        typer.echo(f"Baseline written to {shown(str(plan.baseline))}", err=json == STANDARD_OUTPUT)
    raise typer.Exit(EXIT_CODES[result.status] if all(success) else OutputError.exit_code)


def _used(plan: CheckPlan) -> Iterator[tuple[str, Path]]:
    """List the files that a check reads."""
    yield "the file of gates", plan.path
    for name, model in plan.config.models.items():
        inputs = open_inputs([*model.inputs, *chain.from_iterable(model.ood.values())])
        references = open_inputs(model.reference)
        used = {f"an input of {name}": inputs.paths, f"a reference of {name}": references.paths}
        yield from run_files(Path(model.path), used, model.feeds)
        if model.baseline_model is not None:
            yield from model_files(Path(model.baseline_model))


def _print(result: CheckResult, *, json: bool, quiet: bool, verbose: bool, github: bool) -> None:
    """Print the requested output; a reader that closes it early does not change the exit code."""
    try:
        if json:
            print_json(result)
        elif not quiet:
            console = stdout()
            with console.capture() if github else nullcontext() as captured:
                print_result(console, result, ReportOptions(verbose=verbose, seconds=elapsed()))
            if captured is not None:
                sys.stdout.write(muted(result, captured.get()))
        if github:
            sys.stdout.write(to_annotations(result))
        sys.stdout.flush()
    except BrokenPipeError:
        sys.stdout = None
