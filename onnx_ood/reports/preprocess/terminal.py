"""Terminal report of the preprocess audit."""

from __future__ import annotations

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from onnx_ood.audits.preprocess.result import PreprocessResult, Question
from onnx_ood.reports._terminal.marks import Marks
from onnx_ood.reports._terminal.report_layout import Answer, closing, duration, print_report
from onnx_ood.reports._terminal.report_tables import bullets, fitted, table
from onnx_ood.reports.numbers import decimal, number, percent
from onnx_ood.reports.preprocess.facts import LEGEND, UNDETERMINED, behind, verdict_words
from onnx_ood.reports.report_options import DEFAULTS, ReportOptions
from onnx_ood.reports.words import counted, failure_text, file_name, shorten_middle

_MAX_CANDIDATES = 3
_MAX_POSSIBLE = 6


def print_preprocess(console: Console, result: PreprocessResult, options: ReportOptions = DEFAULTS) -> None:
    """Print the answers, then the evidence.

    Args:
        console: Console to print to; its width and encoding are respected.
        result: The result.
        options: What to show.
    """
    view = Marks(console)
    count = (
        max(len(one.candidates) for one in result.questions)
        if options.verbose
        else options.top or _MAX_CANDIDATES
    )
    left_out = sum(max(0, len(one.candidates) - count) for one in result.questions)
    print_report(
        console,
        Answer(
            f"Use --preprocess {result.best.spec}" if result.determined else UNDETERMINED,
            "" if result.determined else "yellow",
            [failure_text(result.failed, what="read")],
            verbose=options.verbose,
        ),
        None if result.determined else _possible(result),
        *(_question(console, question, view, count) for question in result.questions),
        bullets(LEGEND, style="dim") if options.verbose else None,
        foot=closing(
            console,
            f"{counted(left_out, 'other candidate')}: -v, or --html report.html" if left_out else "",
            [
                file_name(result.model.path),
                counted(result.photos, "photo"),
                result.provider,
                duration(options.seconds),
            ],
            more="" if options.verbose else "a legend",
        ),
    )


def _possible(result: PreprocessResult) -> Text:
    """List the candidates that may be right, each as an option."""
    lines = [f"  --preprocess {one.spec}  ({one.name})" for one in result.possible[:_MAX_POSSIBLE]]
    if (left_out := len(result.possible) - _MAX_POSSIBLE) > 0:
        lines.append(f"  and {left_out} more, marked * below")
    return Text("\n".join(lines))


def _question(console: Console, question: Question, view: Marks, count: int) -> Group:
    """Make the answer to a question and the table of its candidates."""
    longest = max(len(one.name) for one in question.candidates) + 2
    evidence = fitted(
        console, lambda level, width: _evidence(question, count, level, width), levels=3, longest=longest
    )
    return Group(_verdict(question, view), evidence)


def _verdict(question: Question, view: Marks) -> Text:
    answer, more = verdict_words(question)
    sign, style, weight = (
        (view.good, "green", "bold")
        if question.verdict == "determined"
        else (view.dot, "yellow", "bold yellow")
    )
    return Text.assemble((f"{sign} ", style), f"{question.asks}: ", (answer, weight), more)


def _evidence(question: Question, count: int, level: int, width: int) -> Table:
    """Make the table of candidates: level 1 leaves out what does not count, level 2 also the parts of the score."""
    grid = table()
    grid.add_column("candidate", no_wrap=True)
    names = ["score", "behind", "99%"]
    if level < 2:
        names += ["keeps", "norms"]
    if level < 1:
        names += ["sure", "agree", "answers"]
    for name in names:
        grid.add_column(name, justify="right", no_wrap=True)
    for tried in question.candidates[:count]:
        name = shorten_middle(tried.name, max(1, width - 2)) + (" *" if tried.leading else "")
        cells = [f"{tried.score:.2f}", *behind(tried, question)]
        if level < 2:
            cells += [decimal(tried.information), decimal(tried.batch_norm)]
        if level < 1:
            cells += [percent(tried.confidence), percent(tried.agreement), number(tried.answers)]
        grid.add_row(Text(name), *map(Text, cells), style="" if tried.leading else "dim")
    return grid
