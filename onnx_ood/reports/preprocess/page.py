"""HTML page of the preprocess audit."""

from __future__ import annotations

from onnx_ood.audits.preprocess.result import PreprocessResult, Question, TriedPreprocessing
from onnx_ood.audits.preprocess.settings import PreprocessSettings
from onnx_ood.reports import numbers
from onnx_ood.reports._html.charts import Figure
from onnx_ood.reports._html.intervals import Interval, interval_figure
from onnx_ood.reports._html.markup import Child, Markup, element, joined
from onnx_ood.reports._html.page import bullets, fact_list, failure_list, page, table
from onnx_ood.reports._html.provenance import command_block, command_text, model_facts, versions
from onnx_ood.reports.preprocess.facts import LEGEND, TITLES, UNDETERMINED, behind, verdict_words
from onnx_ood.reports.words import counted

# A candidate under which numbers overflow is further behind than this: it would press the others together.
_FAR = 100.0


def preprocess_page(result: PreprocessResult) -> str:
    """Render a preprocess result as one HTML page that loads nothing.

    Args:
        result: The result.

    Returns:
        The page as text.
    """
    failed = joined(
        element("p", f"{counted(len(result.failed), 'photo')} could not be read.", class_="warning"),
        failure_list(result.failed),
    )
    sections: list[tuple[str, str, Child]] = [
        ("verdict", "Verdict", _verdict(result)),
        ("failed", "Not read", failed if result.failed else None),
        ("evidence", "Features", joined(map(_question, result.questions), bullets(LEGEND, "notes"))),
        ("settings", "Settings and provenance", _settings(result)),
    ]
    return page(_name(result), "preprocess", sections, result, result.environment.onnx_ood)


def _name(result: PreprocessResult) -> str:
    return result.model.path.rpartition("/")[2]


def _verdict(result: PreprocessResult) -> Markup:
    verdicts = []
    for question in result.questions:
        answer, more = verdict_words(question)
        verdicts.append(joined(f"{question.asks}: ", element("b", answer), more))
    return joined(
        element("h1", _name(result), id="verdict-name"),
        element("p", _headline(result), class_="headline"),
        element("p", _conclusion(result), class_="conclusion"),
        bullets(verdicts),
        None if result.determined else element("p", f"{UNDETERMINED}:"),
        bullets(
            [
                joined(
                    "Use " if result.determined else None,
                    element("code", f"--preprocess {one.spec}"),
                    f": {one.description}",
                )
                for one in result.possible
            ]
        ),
        fact_list(
            [
                ("model", f"{result.model.path} ({numbers.size(result.model.size)})"),
                ("photos", f"{result.photos:,} read, {len(result.failed):,} failed"),
                ("provider", result.provider),
            ]
        ),
    )


def _headline(result: PreprocessResult) -> str:
    if result.status == "not_evaluated":
        return (
            f"Not evaluated: {counted(result.photos, 'photo')} {'was' if result.photos == 1 else 'were'} read"
        )
    determined = [question for question in result.questions if question.verdict == "determined"]
    if not determined:
        return "The preprocessing is undetermined"
    answers = ", ".join(f"{one.asks} {one.candidates[0].name}" for one in determined)
    return f"Determined: {answers}" if result.determined else f"Partly determined: {answers}"


def _conclusion(result: PreprocessResult) -> str:
    """State the conclusions that the result supports, and its limits."""
    if result.status == "not_evaluated":
        return "Fewer than 10 photos were read: nothing follows."
    return (
        "Candidates are ranked by how typical these photos look to the model under each. Determined: in 99% of "
        f"{result.resamples:,} resamples of the photos the first is ahead of all other candidates below; variants "
        "close to it are not excluded. Photos of a kind that the model is not made for can look best under a wrong "
        "candidate."
    )


def _question(question: Question) -> Markup:
    heads = [("candidate", False), ("score", True), ("behind", True), ("99%", True), ("keeps", True)]
    heads += [("norms", True), ("sure", True), ("agree", True), ("answers", True), ("--preprocess", False)]
    rows: list[list[Child]] = [
        [
            _starred(tried),
            numbers.decimal(tried.score),
            *behind(tried, question),
            numbers.decimal(tried.information),
            numbers.decimal(tried.batch_norm),
            numbers.percent(tried.confidence),
            numbers.percent(tried.agreement),
            numbers.number(tried.answers),
            element("code", tried.spec),
        ]
        for tried in question.candidates
    ]
    return joined(
        element("div", question_figure(question), class_="one"),
        table(TITLES[question.asks], heads, rows),
    )


def _starred(tried: TriedPreprocessing) -> str:
    return tried.name + ("\N{NO-BREAK SPACE}*" if tried.leading else "")


def question_figure(question: Question) -> Figure:
    """Draw the gap of each candidate to the first, with its interval."""
    rows = [
        Interval(
            _starred(tried),
            tried.gap.low,
            tried.gap.value,
            tried.gap.high,
            f"{tried.name}: score {numbers.decimal(tried.score)}, {numbers.decimal(tried.gap.value)} behind the first, "
            f"99% of resamples {numbers.decimal(tried.gap.low)} to {numbers.decimal(tried.gap.high)}",
        )
        for tried in question.candidates
    ]
    ends = [value for row in rows for value in (row.low, row.value, row.high)]
    near = [value for value in ends if value <= _FAR]
    low, high = min(near), max(near)
    words = (
        "Dashed: the first. Lines: 99% of resamples, which hold fewer different photos and so separate less."
    )
    if max(ends) > _FAR:
        words += " Candidates at the right edge are further behind."
    return interval_figure(
        "behind",
        f"{question.asks.capitalize()}: how far candidates are behind the first",
        f"Score of each of {len(rows)} candidates less than that of the first, and the range of 99% of resamples.",
        rows,
        (low, high if high > low else low + 1.0),
        axis="score less than that of the first",
        guide=0.0,
        words=words,
    )


def _settings(result: PreprocessResult) -> Markup:
    return joined(
        command_block(command(result)),
        fact_list(
            [
                *model_facts(result.model),
                ("seed", f"{result.seed}"),
                ("resamples", f"{result.resamples:,}"),
                ("provider", result.provider),
                ("versions", versions(result.environment)),
            ]
        ),
    )


def command(result: PreprocessResult) -> str:
    """Return the command of the run, without the photos: a result does not name them as they were given."""
    words = ["onnx-ood", "preprocess", result.model.path, "PHOTOS..."]
    looked_at = result.photos + len(result.failed)
    words += ["--limit", f"{looked_at}"] if looked_at > PreprocessSettings().limit else []
    words += ["--seed", f"{result.seed}", "--provider", result.provider]
    return command_text(words)
