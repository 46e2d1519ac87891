"""`onnx-ood check`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from onnx_ood import audits
from onnx_ood.exceptions import UsageError
from onnx_ood.reports.check_markdown import to_check_markdown
from onnx_ood.reports.files import append_text, to_json, write_new, write_text
from onnx_ood.reports.github import to_annotations
from onnx_ood.reports.gitlab import to_gitlab
from onnx_ood.reports.html import check_page
from onnx_ood.reports.junit import to_junit
from onnx_ood.reports.sarif import to_sarif
from onnx_ood.reports.terminal import print_check

from .console import stdout
from .output import HtmlFile, JsonFile, check_outputs, write_json
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
    """Check models against gates: passed (exit code 0), failed (1), or not evaluated (3)."""
    if init:
        if update_baseline:
            raise UsageError(
                "--init checks nothing, so that there is no baseline to update: leave out either"
            )
        path = config or Path(audits.CHECK_NAMES[0])
        write_new(path, audits.STARTER)
        if not quiet:
            stdout().print(f"{path}: written; name your model and inputs there, then say onnx-ood check")
        return
    if github and json == Path("-"):
        raise UsageError(
            "--github prints annotations, and --json - nothing but JSON: name a file, or leave out either"
        )
    plan = audits.read_check_file(audits.find_check_file(config))
    check_outputs(json, junit, sarif, gitlab, markdown, html, plan.baseline if update_baseline else None)
    with progress_bar("checking", quiet=quiet) as progress:
        result, baseline = audits.check(plan, update_baseline=update_baseline, progress=progress)
    if update_baseline and plan.baseline is not None:
        write_text(plan.baseline, to_json(baseline))
    renderings = (
        (junit, to_junit),
        (sarif, to_sarif),
        (gitlab, to_gitlab),
        (markdown, to_check_markdown),
        (html, check_page),
    )
    for file, text in renderings:
        if file is not None:
            write_text(file, text(result))
    printed = write_json(result, json)
    if not quiet and not printed:
        print_check(stdout(), result)
    if github:
        sys.stdout.write(to_annotations(result))
        if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
            append_text(Path(summary), to_check_markdown(result))
    raise typer.Exit(audits.EXIT_CODES[result.status])
