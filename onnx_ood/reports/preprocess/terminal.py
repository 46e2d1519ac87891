"""The preprocessing detective on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from onnx_ood.audits.preprocess.result import PreprocessResult, Question
from onnx_ood.reports._terminal.marks import Marks
from onnx_ood.reports._terminal.report_tables import bullets, facts, fitted, table
from onnx_ood.reports.numbers import decimal, number, percent
from onnx_ood.reports.preprocess.facts import LEGEND, TITLES, behind, verdict_words
from onnx_ood.reports.words import shorten_middle


def print_preprocess(console: Console, result: PreprocessResult, top: int) -> None:
    """Prints the verdicts and the evidence.

    Args:
        console: Where to.
        result: The result.
        top: How many failed photos to list.
    """
    view = Marks(console)
    facts(
        console,
        [
            ("model", result.model.path),
            ("runs on", result.provider),
            ("photos", f"{result.photos} read, {len(result.failed)} failed"),
        ],
    )
    console.print()
    for question in result.questions:
        console.print(_verdict(question, view))
    console.print(
        Text.assemble(
            ("  use " if result.determined else "  try "), (f"--preprocess {result.best.spec}", "bold")
        ),
        soft_wrap=True,
    )
    for question in result.questions:
        console.print()
        longest = max(len(one.name) for one in question.candidates) + 2

        def build(level: int, width: int, question: Question = question) -> Table:
            return _evidence(question, level, width)

        console.print(fitted(console, build, levels=3, longest=longest))
    console.print()
    bullets(console, LEGEND, style="dim")
    if result.failed:
        bullets(console, [f"failed: {one.id}: {one.reason}" for one in result.failed[:top]], style="red")


def _verdict(question: Question, view: Marks) -> Text:
    answer, more = verdict_words(question)
    sign, style, weight = (
        (view.good, "green", "bold")
        if question.verdict == "determined"
        else (view.dot, "yellow", "bold yellow")
    )
    return Text.assemble((f"{sign} ", style), f"{question.asks}: ", (answer, weight), more)


def _evidence(question: Question, level: int, width: int) -> Table:
    """Level 0 has all columns, 1 has not what doesn't count, 2 not the parts of the score either."""
    grid = table(TITLES[question.asks])
    grid.add_column("candidate", no_wrap=True)
    names = ["score", "behind", "99%"]
    if level < 2:
        names += ["keeps", "norms"]
    if level < 1:
        names += ["sure", "agree", "answers"]
    for name in names:
        grid.add_column(name, justify="right", no_wrap=True)
    for tried in question.candidates:
        name = shorten_middle(tried.name, max(1, width - 2)) + (" *" if tried.leading else "")
        cells = [f"{tried.score:.2f}", *behind(tried, question)]
        if level < 2:
            cells += [decimal(tried.information), decimal(tried.batch_norm)]
        if level < 1:
            cells += [percent(tried.confidence), percent(tried.agreement), number(tried.answers)]
        grid.add_row(Text(name), *map(Text, cells), style="" if tried.leading else "dim")
    return grid
