"""Charts of the bench audit: mean AUROCs, ROC curves, score distributions and severity curves."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor
from statistics import median_low

import numpy as np

from onnx_ood._types import Float
from onnx_ood.audits.bench.result import (
    BenchCorruptions,
    BenchDetector,
    BenchInterval,
    BenchResult,
    BenchScores,
    SetMetrics,
)
from onnx_ood.metrics.detection import mean_roc, roc
from onnx_ood.reports import numbers, words
from onnx_ood.reports._html.charts import (
    Chart,
    Figure,
    Frame,
    chart,
    level_axis,
    line_key,
    point,
    polyline,
    scale_ticks,
    square_key,
)
from onnx_ood.reports._html.intervals import Interval, interval_figure
from onnx_ood.reports._html.markup import element
from onnx_ood.reports._html.scales import Scale
from onnx_ood.reports._html.series import (
    FLAT,
    MAX_SERIES,
    SQUARE,
    Series,
    panel_title,
    series_keys,
    series_panel,
)
from onnx_ood.reports.bench.facts import between, starred

_FRAME = Frame(width=230, height=160, left=12, right=218, top=26, bottom=108)
_MIN_BINS, _MAX_BINS = 8, 40
# Scores beyond these quantiles, which may be far away, are counted in the outermost bins.
_INNER = (0.005, 0.995)
# Characters of a set's name next to its AUROC.
_MAX_SET_NAME = 17
_RATES = ((0.0, "0"), (0.5, "½"), (1.0, "1"))


def means_figure(result: BenchResult) -> Figure:
    """Draw the mean AUROC of each detector with the interval of its resamples."""
    rows = [
        Interval(
            starred(one),
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
        f"Mean AUROC of {len(rows)} detectors with the interval of 95% of resamples, the best first.",
        rows,
        (floor(least * 10) / 10, 1.0),
        axis="mean AUROC over sets",
        guide=0.5,
        words="Lines: 95% of resamples. Dashed: random guessing.",
    )


def roc_figure(detectors: Sequence[BenchDetector]) -> Figure | None:
    """Draw the ROC curve of each set and their mean, for the best detectors; None without scores.

    Args:
        detectors: Detectors, the best first.
    """
    shown = [(one, one.scores) for one in detectors[:MAX_SERIES] if one.scores]
    if not shown:
        return None
    curves = [[roc(scores.id, scores.sets[metrics.set]) for metrics in one.metrics] for one, scores in shown]
    sets = [metrics.set for metrics in shown[0][0].metrics]
    panels = [
        _roc_panel(
            "mean over sets",
            [(one.name, one.macro, mean_roc(each)) for (one, _), each in zip(shown, curves, strict=True)],
        )
    ]
    for k, name in enumerate(sets):
        drawn = [
            (one.name, one.metrics[k].auroc, each[k]) for (one, _), each in zip(shown, curves, strict=True)
        ]
        panels.append(_roc_panel(spaced(name), drawn))
    return Figure(
        "ROC curves, mean over sets and of each set",
        panels,
        series_keys([f"{one.name} {one.macro.value:.2f}" for one, _ in shown]),
        [
            "True-positive rate: fraction of the set at or above a threshold; false-positive rate: the same of "
            "in-distribution inputs. Legend: mean AUROC."
        ],
    )


def scores_figure(detector: BenchDetector) -> Figure | None:
    """Draw the distribution of a detector's scores on each set and on in-distribution inputs.

    Args:
        detector: The detector; without scores the result is None.
    """
    scores = detector.scores
    if scores is None:
        return None
    return Figure(
        f"Scores of {detector.name}",
        [_scores_panel(detector.name, scores, one) for one in detector.metrics],
        [square_key("in-distribution", class_="id-scores"), line_key("the set", "ood-scores")],
        ["Fractions of inputs by score; scores beyond an end are counted in its last bin."],
    )


def severities_figure(found: BenchCorruptions) -> Figure:
    """Draw AUROCs by severity, for the mean over corruptions and for each, of the best detectors.

    Args:
        found: Curves of all detectors, the best first.
    """
    shown = found.detectors[:MAX_SERIES]
    lowest = min(area.low for one in shown for curve in one.curves for area in curve.aurocs)
    up = Scale(min(0.45, lowest - 0.02), 1.0, FLAT.bottom, FLAT.top)
    severities = len(shown[0].severities)
    across = Scale(1, max(2, severities), FLAT.left + 8, FLAT.right - 8)
    panels = []
    for k, name in enumerate(["mean over corruptions", *found.corruptions]):
        series = []
        for one in shown:
            areas = one.curves[k - 1].aurocs if k else one.severities
            values = ", ".join(f"{area.value:.2f}" for area in areas)
            series.append(
                Series(
                    [(s, area.value) for s, area in enumerate(areas, 1)],
                    f"{one.detector}, {spaced(name)}: AUROC {values} at severities 1 to {len(areas)}",
                    [(s, area.low, area.high) for s, area in enumerate(areas, 1)],
                )
            )
        panels.append(
            series_panel(
                spaced(name),
                f"AUROC of {len(shown)} detectors by severity: {spaced(name)}.",
                series,
                across,
                up,
                frame=FLAT,
                ticks=[(across(s), f"{s}") for s in range(1, severities + 1)],
                axes=("severity", "AUROC"),
                guide=[(1, 0.5), (severities, 0.5)],
            )
        )
    return Figure(
        "AUROC by severity, mean over corruptions and of each",
        panels,
        series_keys([f"{one.detector} {one.mean.value:.2f}" for one in shown]),
        [
            f"{found.inputs:,} pictures against the same pictures corrupted. Bands: 95% of resamples. Legend: mean "
            "AUROC."
        ],
    )


def spaced(name: str) -> str:
    """Name of a set or a corruption, with spaces."""
    return name.replace("_", " ")


def _roc_panel(title: str, drawn: Sequence[tuple[str, BenchInterval, tuple[Float, Float]]]) -> Chart:
    across = Scale(0.0, 1.0, SQUARE.left, SQUARE.right)
    series = [
        Series(
            list(zip(fpr.tolist(), tpr.tolist(), strict=True)),
            f"{name}, {title}: AUROC {auroc.value:.3f}, 95% of resamples {between(auroc)}",
        )
        for name, auroc, (fpr, tpr) in drawn
    ]
    return series_panel(
        title,
        f"ROC curves of {len(drawn)} detectors: {title}.",
        series,
        across,
        Scale(0.0, 1.0, SQUARE.bottom, SQUARE.top),
        frame=SQUARE,
        ticks=[(across(rate), label) for rate, label in _RATES],
        axes=("false-positive rate", "true-positive rate"),
        guide=[(0, 0), (1, 1)],
    )


def _scores_panel(name: str, scores: BenchScores, metrics: SetMetrics) -> Chart:
    groups = [np.array(scores.id), np.array(scores.sets[metrics.set])]
    edges = score_edges(np.concatenate(groups))
    shares = [np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0] / len(values) for values in groups]
    across = Scale(float(edges[0]), float(edges[-1]), _FRAME.left, _FRAME.right)
    up = Scale(0.0, max(float(each.max()) for each in shares) * 1.04, _FRAME.bottom, _FRAME.top)
    filled, outline = (_stairs(edges, each, across, up) for each in shares)
    name_shown = words.shorten_middle(spaced(metrics.set), _MAX_SET_NAME)
    title = f"{name_shown}, AUROC {metrics.auroc.value:.2f}"
    medians = [numbers.number(median_low(values.tolist())) for values in groups]
    return chart(
        "panel distribution",
        f"Scores of {name}: in-distribution inputs and {spaced(metrics.set)}.",
        _FRAME,
        panel_title(title, _FRAME),
        level_axis(scale_ticks(across, 4), _FRAME, "score"),
        point(
            f"in-distribution: median score {medians[0]}", element("path", class_="id-scores", d=f"{filled}Z")
        ),
        point(
            f"{spaced(metrics.set)}: median score {medians[1]}",
            element("path", class_="ood-scores", d=outline),
        ),
    )


def score_edges(scores: Float) -> Float:
    """Edges of bins for scores; the largest floats, which stand for infinity, do not stretch them."""
    inner = scores[np.abs(scores) < np.finfo(np.float32).max]
    low, high = np.quantile(inner, _INNER) if len(inner) else (0.0, 0.0)
    bins = int(np.clip(np.sqrt(2 * len(scores)), _MIN_BINS, _MAX_BINS))
    return np.linspace(low, high if low < high else low + 1, bins + 1)


def _stairs(edges: Float, heights: Float, across: Scale, up: Scale) -> str:
    """Path data of a histogram's outline, from the axis and back to it."""
    x = np.repeat(edges, 2).tolist()
    y = [0.0, *np.repeat(heights, 2).tolist(), 0.0]
    return polyline([(across(a), up(b)) for a, b in zip(x, y, strict=True)])
