"""The page of the bench audit."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor

import numpy as np

from onnx_ood.audits.bench.result import BenchCorruptions, BenchDetector, BenchInterval, BenchResult
from onnx_ood.reports import numbers
from onnx_ood.reports._html.histogram import histogram_figure
from onnx_ood.reports._html.intervals import Interval, interval_figure
from onnx_ood.reports._html.markup import Child, Markup, element, joined
from onnx_ood.reports._html.page import bullets, fact_list, failure_list, folded, page, table
from onnx_ood.reports._html.provenance import (
    command_block,
    command_text,
    model_facts,
    versions,
)
from onnx_ood.reports.bench.facts import area, between, flag_words
from onnx_ood.reports.words import counted

# Detectors of which scores are drawn, and curves of corruptions listed: the best.
_SHOWN = 4
# Scores beyond these quantiles, which may be far away, are counted in the last bars.
_INNER = (0.005, 0.995)
# AUROCs from which on a cell is shaded more.
_SHADES = (0.6, 0.7, 0.8, 0.9, 0.97)


def bench_page(result: BenchResult) -> str:
    """A benchmark as a page: one HTML file that loads nothing.

    Args:
        result: The result. Scores of single inputs are drawn where it has them; the JSON in the page is without.

    Returns:
        The page as text.
    """
    bare = [one.model_copy(update={"scores": None}) for one in result.detectors]
    failed = [*result.failed, *(failure for one in result.sets for failure in one.failed)]
    count = f"{counted(len(failed), 'input')} could not be measured."
    sections: list[tuple[str, str, Child]] = [
        ("verdict", "Verdict", _verdict(result)),
        ("failed", "Not measured", joined(element("p", count, class_="warning"), failure_list(failed)))
        if failed
        else ("failed", "Not measured", None),
        ("detectors", "Detectors", _detectors(result) if result.detectors else None),
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
        element("p", _headline(result), class_="headline"),
        element("p", _conclusion(result), class_="conclusion"),
        bullets([*(flag_words(result.flags) if result.flags else ()), *result.notes], "notes"),
        fact_list(
            [
                ("model", f"{result.model.path} ({numbers.size(result.model.size)})"),
                ("ordinary", f"{result.id:,} inputs"),
                ("references", _references(result)),
                ("sets", ", ".join(f"{one.name} ({one.inputs:,})" for one in result.sets)),
                ("preprocessing", result.preprocessing),
                ("runs on", result.provider),
            ]
        ),
    )


def _headline(result: BenchResult) -> str:
    if result.status == "not_evaluated" or not result.detectors:
        return "Not evaluated"
    best = result.detectors[0]
    return f"{best.name} does best: mean AUROC {best.macro.value:.2f} ({between(best.macro)})"


def _conclusion(result: BenchResult) -> str:
    """What may be concluded, and what not."""
    if result.status == "not_evaluated" or not result.detectors:
        return "There are fewer than 10 ordinary inputs, or fewer of a set: nothing may be concluded."
    best, *others = result.detectors
    near = [one.name for one in others if one.gap_to_best.low <= 0]
    words = f"Of {len(result.detectors)} detectors {best.name} tells these sets from the ordinary inputs best"
    if near:
        words += f", though the resamples don't tell it from {', '.join(near)}"
    made = sum(one.synthetic for one in result.sets)
    words += ". This holds for this model and these sets"
    if made == len(result.sets):
        return f"{words}, all of which were made for the purpose: strange inputs of other kinds may pass."
    return f"{words}{f', {made} of which were made for the purpose' if made else ''}; other strange inputs may pass."


def _references(result: BenchResult) -> str:
    kinds = {"given": "known-good inputs", "bundled": "crops of the bundled photos", "none": ""}
    return f"{result.references:,} {kinds[result.reference]}" if result.references else "none"


def _detectors(result: BenchResult) -> Markup:
    heads = [("detector", False), ("mean", True), ("95%", True), ("behind", True)]
    heads += [(one.name.replace("_", " "), True) for one in result.sets]
    rows: list[list[Child]] = [
        [
            _starred(one),
            _cell(one.macro.value),
            between(one.macro),
            "-" if one.gap_to_best.value == 0 else f"{one.gap_to_best.value:.3f}",
            *(_cell(figures.auroc.value) for figures in one.metrics),
        ]
        for one in result.detectors
    ]
    starred = any(one.reference for one in result.detectors)
    return joined(
        element("div", _macro_figure(result), class_="one"),
        table("AUROC of each detector on each set, the best first", heads, rows),
        element(
            "p",
            f"95%: where as many of {result.resamples:,} resamples lie. Behind: paired with the best. In brackets: "
            "hardly better than a guess." + (" *: learns from references." if starred else ""),
            class_="aside",
        ),
        _set_figures(result),
        folded(
            f"Detectors that don't apply: {len(result.not_applicable)}",
            bullets([f"{name}: {reason}" for name, reason in result.not_applicable.items()]),
        )
        if result.not_applicable
        else None,
    )


def _starred(one: BenchDetector) -> str:
    return one.name + (" *" if one.reference else "")


def _cell(value: float) -> Markup:
    shade = sum(value >= bound for bound in _SHADES)
    return element("span", area(value).plain, class_=f"area shade-{shade}")


def _macro_figure(result: BenchResult) -> Markup:
    """A line a detector: its mean AUROC, and where resamples lie."""
    rows = [
        Interval(
            _starred(one),
            one.macro.low,
            one.macro.value,
            one.macro.high,
            f"{one.name}: mean AUROC {one.macro.value:.3f}, 95% of resamples {between(one.macro)}",
        )
        for one in result.detectors
    ]
    least = min([0.5, *(row.low for row in rows)])
    return interval_figure(
        "means",
        "Mean AUROC over sets",
        f"Mean AUROC of {len(rows)} detectors with where 95% of resamples lie, the best first.",
        rows,
        (floor(least * 10) / 10, 1.0),
        axis="mean AUROC over sets",
        guide=0.5,
        words="Lines: 95% of resamples. Dashed: a coin.",
    )


def _set_figures(result: BenchResult) -> Markup:
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
    return folded("All figures", table("Figures of each detector on each set", heads, rows))


def _corruptions(found: BenchCorruptions) -> Markup:
    severities = [(f"{1 + place}", True) for place in range(len(found.detectors[0].severities))]
    rows: list[list[Child]] = [
        [one.detector, _cell(one.mean.value), between(one.mean), *_cells(one.severities)]
        for one in found.detectors
    ]
    heads = [("detector", False), ("mean", True), ("95%", True), *severities]
    kinds = [
        folded(
            f"{one.detector} by kind",
            table(
                f"AUROC of {one.detector} by kind of corruption and severity",
                [("corruption", False), *severities],
                [[curve.corruption, *_cells(curve.aurocs)] for curve in one.curves],
            ),
        )
        for one in found.detectors[:_SHOWN]
    ]
    said = [*(f"{kind}: {reason}" for kind, reason in found.left_out.items()), *found.notes]
    return joined(
        element(
            "p",
            f"{found.inputs:,} pictures as they are, against the same pictures corrupted.",
            class_="aside",
        ),
        table(f"AUROC by severity, mean over {len(found.corruptions)} kinds of corruption", heads, rows),
        kinds,
        bullets(said, "notes"),
    )


def _cells(areas: Sequence[BenchInterval]) -> list[Markup]:
    return [_cell(one.value) for one in areas]


def _scores(result: BenchResult) -> Markup | None:
    drawn = []
    for one in result.detectors[:_SHOWN]:
        if one.scores is None:
            continue
        strange = [score for scores in one.scores.sets.values() for score in scores]
        scores = np.array([*one.scores.id, *strange])
        marked = [False] * len(one.scores.id) + [True] * len(strange)
        inner = np.clip(scores, *np.quantile(scores, _INNER))
        drawn.append(
            histogram_figure(
                one.name,
                inner.tolist(),
                marked,
                "out-of-distribution",
                others="ordinary",
                colour="strange",
                note="The outermost 0.5% at each end are counted in the last bars.",
            )
        )
    return element("div", drawn, class_="grid-2") if drawn else None


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
    words = ["onnx-ood", "bench", result.model.path, "--id", "ID_INPUTS"]
    for one in result.sets:
        words += [] if one.synthetic else ["--ood", f"{one.name}={one.name.upper()}"]
    words += ["--reference", "REFERENCES"] if result.reference == "given" else []
    return command_text([*words, *result.settings.arguments()])
