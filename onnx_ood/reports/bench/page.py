"""Page of the bench audit."""

from __future__ import annotations

from collections.abc import Sequence

from onnx_ood.audits.bench.result import (
    BenchCorruptions,
    BenchDetector,
    BenchInterval,
    BenchProtocol,
    BenchResult,
)
from onnx_ood.reports import numbers
from onnx_ood.reports._html.markup import Child, Markup, element, joined
from onnx_ood.reports._html.page import bullets, fact_list, failure_list, folded, page, table
from onnx_ood.reports._html.provenance import (
    command_block,
    command_text,
    model_facts,
    versions,
)
from onnx_ood.reports._html.series import MAX_SERIES
from onnx_ood.reports.bench.charts import means_figure, roc_figure, scores_figure, severities_figure
from onnx_ood.reports.bench.facts import (
    NEAR_CHANCE,
    area,
    better_than_chance,
    between,
    flag_words,
    headline,
    not_evaluated_note,
    set_heading,
    starred,
)
from onnx_ood.reports.bench.protocol_rows import detector_name, percent_interval, protocol_rows
from onnx_ood.reports.words import counted

# AUROCs at which the shade of a cell becomes stronger.
_SHADES = (0.6, 0.7, 0.8, 0.9, 0.97)


def bench_page(result: BenchResult) -> str:
    """Render a benchmark as one HTML file that loads nothing.

    Args:
        result: Result of the bench audit. Scores in it are drawn, but not stored in the page's JSON.
    """
    bare = [one.model_copy(update={"scores": None}) for one in result.detectors]
    failed = [*result.failed, *(failure for one in result.sets for failure in one.failed)]
    count = f"{counted(len(failed), 'input')} could not be measured."
    sections: list[tuple[str, str, Child]] = [
        ("verdict", "Verdict", _verdict(result)),
        ("failed", "Not measured", joined(element("p", count, class_="warning"), failure_list(failed)))
        if failed
        else ("failed", "Not measured", None),
        ("protocol", "Protocol", _protocol(result.protocol) if result.protocol else None),
        ("detectors", "Detectors", _detectors(result) if result.detectors else None),
        ("roc", "ROC curves", _curves(result)),
        ("corruptions", "Corruptions", _corruptions(result.corruptions) if result.corruptions else None),
        ("scores", "Scores", _scores(result)),
        ("settings", "Settings and provenance", _settings(result)),
    ]
    stored = result.model_copy(update={"detectors": tuple(bare)})
    return page(_name(result), "bench", sections, stored, result.environment.onnx_ood)


def _name(result: BenchResult) -> str:
    return result.model.path.rpartition("/")[2]


def _verdict(result: BenchResult) -> Markup:
    return joined(
        element("h1", _name(result), id="verdict-name"),
        element("p", headline(result), class_="headline"),
        element("p", _conclusion(result), class_="conclusion"),
        bullets(
            [
                *filter(None, (not_evaluated_note(result),)),
                *(flag_words(result.flags) if result.flags else ()),
                *(result.protocol.notes if result.protocol else ()),
                *result.notes,
            ],
            "notes",
        ),
        fact_list(
            [
                ("model", f"{result.model.path} ({numbers.size(result.model.size)})"),
                ("in-distribution", f"{result.id:,} inputs"),
                ("references", _references(result)),
                ("sets", ", ".join(f"{one.name} ({one.inputs:,})" for one in result.sets)),
                ("preprocessing", result.preprocessing),
                ("runs on", result.provider),
            ]
        ),
    )


def _conclusion(result: BenchResult) -> str:
    """State the conclusions that the result supports, and its limits."""
    sets = result.evaluated_sets
    if not sets or not result.detectors:
        return (
            "There are fewer than 10 in-distribution inputs, or fewer of each set: nothing may be concluded."
        )
    best, near = result.detectors[0], result.near_best
    if not better_than_chance(result):
        return "On these sets, out-of-distribution inputs score no higher than in-distribution inputs."
    words = f"Of {len(result.detectors)} detectors {best.name} separates these sets from in-distribution inputs best"
    if near:
        words += f", but the difference to {', '.join(near)} is within the noise of the resamples"
    made = sum(one.synthetic for one in sets)
    words += ". This holds for this model and these sets"
    if made == len(sets):
        return f"{words}, all of them synthetic: other out-of-distribution inputs may be missed."
    return f"{words}{f', {made} of them synthetic' if made else ''}; other out-of-distribution inputs may be missed."


def _references(result: BenchResult) -> str:
    names = {"given": "known-good inputs", "bundled": "crops of the bundled photos", "none": ""}
    return f"{result.references:,} {names[result.reference]}" if result.references else "none"


def _detectors(result: BenchResult) -> Markup:
    heads = [("detector", False), ("mean", True), ("95%", True), ("gap", True)]
    heads += [(set_heading(one), True) for one in result.sets]
    rows: list[list[Child]] = [
        [
            starred(one),
            *_mean(result, one),
            "-" if one.gap_to_best.value == 0 else f"{one.gap_to_best.value:.3f}",
            *(_cell(metrics.auroc.value) for metrics in one.metrics),
        ]
        for one in result.detectors
    ]
    return joined(
        element("div", means_figure(result), class_="one"),
        table("AUROC of each detector on each set, the best first", heads, rows),
        element(
            "p",
            f"95%: interval of 95% of {result.resamples:,} resamples. Gap: to the best, on the same resamples. "
            f"{NEAR_CHANCE}."
            + (" *: learns from references." if any(one.reference for one in result.detectors) else ""),
            class_="aside",
        ),
        _set_metrics(result),
        folded(
            f"Detectors that don't apply: {len(result.not_applicable)}",
            bullets([f"{name}: {reason}" for name, reason in result.not_applicable.items()]),
        )
        if result.not_applicable
        else None,
    )


def _protocol(found: BenchProtocol) -> Markup:
    heads = ["near AUROC", "far AUROC", "near FPR@95", "far FPR@95", "published near", "published far"]
    rows: list[list[Child]] = [list(row) for row in protocol_rows(found)]
    names = [one.name for one in found.detectors]
    of_sets: list[list[Child]] = [
        [
            detector_name(one, repeated=names.count(one.name) > 1),
            name,
            *map(percent_interval, (metrics.auroc, metrics.fpr95, metrics.aupr_in, metrics.aupr_out)),
        ]
        for one in found.detectors
        for name, metrics in one.sets.items()
    ]
    sets: list[list[Child]] = [
        [one.title, one.group, one.status, f"{one.found:,}", "" if one.listed is None else f"{one.listed:,}"]
        for one in found.sets
    ]
    accuracy = f" Accuracy: {percent_interval(found.accuracy)}." if found.accuracy else ""
    return joined(
        table(
            f"{found.title}: means over near and far sets, in percent",
            [("detector", False), *((head, True) for head in heads)],
            rows,
        ),
        element(
            "p",
            f"Metrics as OpenOOD computes them; intervals: 95% of {found.resamples} resamples.{accuracy} Published: "
            f"{found.published_net}; {found.published_source}.",
            class_="aside",
        ),
        table(
            "Sets of the protocol",
            [("set", False), ("group", False), ("status", False), ("found", True), ("listed", True)],
            sets,
        ),
        folded(
            "Metrics by set",
            table(
                "Metrics by set, in percent",
                [
                    ("detector", False),
                    ("set", False),
                    *((head, True) for head in ("AUROC", "FPR@95", "AUPR in", "AUPR out")),
                ],
                of_sets,
            ),
        ),
    )


def _mean(result: BenchResult, detector: BenchDetector) -> tuple[Child, Child]:
    """Cells of the mean over sets and its interval, empty if no set is large enough."""
    if not result.evaluated_sets:
        return "", ""
    return _cell(detector.macro.value), between(detector.macro)


def _cell(value: float) -> Markup:
    shade = sum(value >= bound for bound in _SHADES)
    return element("span", area(value).plain, class_=f"area shade-{shade}")


def _set_metrics(result: BenchResult) -> Markup:
    heads = [("detector", False), ("set", False), ("AUROC", True), ("95%", True)]
    heads += [("AUPR in", True), ("AUPR out", True), ("FPR at 95%", True)]
    rows: list[list[Child]] = [
        [
            detector.name,
            one.set,
            f"{one.auroc.value:.3f}",
            between(one.auroc),
            f"{one.aupr_in:.3f}",
            f"{one.aupr_out:.3f}",
            numbers.percent(one.fpr95),
        ]
        for detector in result.detectors
        for one in detector.metrics
    ]
    return folded("All metrics", table("Metrics of each detector on each set", heads, rows))


def _corruptions(found: BenchCorruptions) -> Markup:
    severities = [(f"{1 + place}", True) for place in range(len(found.detectors[0].severities))]
    rows: list[list[Child]] = [
        [one.detector, _cell(one.mean.value), between(one.mean), *_cells(one.severities)]
        for one in found.detectors
    ]
    heads = [("detector", False), ("mean", True), ("95%", True), *severities]
    tables = [
        folded(
            f"{one.detector} by corruption",
            table(
                f"AUROC of {one.detector} by corruption and severity",
                [("corruption", False), *severities],
                [[curve.corruption, *_cells(curve.aurocs)] for curve in one.curves],
            ),
        )
        for one in found.detectors[:MAX_SERIES]
    ]
    notes = [*(f"{name}: {reason}" for name, reason in found.left_out.items()), *found.notes]
    return joined(
        severities_figure(found),
        table(f"AUROC by severity, mean over {len(found.corruptions)} corruptions", heads, rows),
        tables,
        bullets(notes, "notes"),
    )


def _cells(areas: Sequence[BenchInterval]) -> list[Markup]:
    return [_cell(one.value) for one in areas]


def _curves(result: BenchResult) -> Markup | None:
    curves = roc_figure(result.detectors)
    return joined(curves) if curves else None


def _scores(result: BenchResult) -> Markup | None:
    figures = [one for one in map(scores_figure, result.detectors[:MAX_SERIES]) if one]
    if not figures:
        return None
    best, *others = figures
    return joined(best, [folded(one.title, one) for one in others])


def _settings(result: BenchResult) -> Markup:
    formulas: list[list[Child]] = [[one.name, one.formula, one.source] for one in result.detectors]
    return joined(
        command_block(command(result)),
        fact_list(
            [
                *model_facts(result.model),
                ("preprocessing", result.preprocessing),
                ("seed", f"{result.seed}"),
                ("resamples", f"{result.resamples:,}"),
                ("provider", result.provider),
                ("versions", versions(result.environment)),
            ]
        ),
        table("Formulas", [("detector", False), ("formula", False), ("source", False)], formulas)
        if formulas
        else None,
    )


def command(result: BenchResult) -> str:
    """Return the command of the run, without the inputs: a result does not name them as they were given."""
    words = ["onnx-ood", "bench", result.model.path, "--id", "DATA" if result.protocol else "ID_INPUTS"]
    for one in result.sets:
        words += [] if one.synthetic or result.protocol else ["--ood", f"{one.name}={one.name.upper()}"]
    words += ["--reference", "REFERENCES"] if result.reference == "given" else []
    return command_text([*words, *result.settings.arguments()])
