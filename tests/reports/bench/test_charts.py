"""Charts of a benchmark against the numbers of its result."""

from __future__ import annotations

from itertools import pairwise
from xml.etree.ElementTree import Element

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import trapezoid
from svg_parts import corners, drawing, named, parts, texts, ticks

import onnx_ood
from onnx_ood.audits.bench.result import BenchScores
from onnx_ood.reports.bench.picture import bench_picture

KINDS = ["series-1", "series-2", "series-3"]


def rates(scores: BenchScores, name: str) -> NDArray[np.float64]:
    """Fractions of in-distribution inputs and of a set at or above each score, from the definition."""
    thresholds = sorted({*scores.id, *scores.sets[name]}, reverse=True)
    return np.array(
        [
            [sum(score >= one for score in values) / len(values) for values in (scores.id, scores.sets[name])]
            for one in thresholds
        ]
    )


def data(chart: Element, path: Element) -> NDArray[np.float64]:
    """Corners of a path in the units of its axes."""
    x, y = corners(path).T
    (a, b), (c, d) = ticks(chart, upright=False), ticks(chart, upright=True)
    return np.stack([(x - b) / a, (y - d) / c], axis=1)


def test_roc_curves_pass_through_the_rates_at_all_thresholds(measured: onnx_ood.BenchResult) -> None:
    tree = drawing(bench_picture(measured))
    for place, metrics in enumerate(measured.detectors[0].metrics):
        chart = named(tree, metrics.set.replace("_", " "))
        for kind, detector in zip(KINDS, measured.detectors, strict=True):
            (path,) = parts(chart, "path", kind)
            drawn = data(chart, path)
            expected = np.concatenate([[[0, 0]], rates(detector.scores, metrics.set)])
            # Corners are rounded to a tenth of a unit, of 174; repeated ones are omitted.
            for corner in expected:
                assert np.abs(drawn - corner).max(axis=1).min() < 1e-3
            for corner in drawn:
                assert np.abs(expected - corner).max(axis=1).min() < 1e-3
            area = trapezoid(drawn[:, 1], drawn[:, 0])
            assert area == pytest.approx(detector.metrics[place].auroc.value, abs=2e-3)


def test_the_mean_curve_has_the_mean_area(measured: onnx_ood.BenchResult) -> None:
    chart = named(drawing(bench_picture(measured)), "mean over sets")
    for kind, detector in zip(KINDS, measured.detectors, strict=True):
        (path,) = parts(chart, "path", kind)
        drawn = data(chart, path)
        assert trapezoid(drawn[:, 1], drawn[:, 0]) == pytest.approx(detector.macro.value, abs=2e-3)


def test_severity_curves_have_the_values_and_intervals_of_the_result(measured: onnx_ood.BenchResult) -> None:
    tree, found = drawing(bench_picture(measured)), measured.corruptions
    assert found is not None
    for place, name in enumerate(["mean over corruptions", "fog", "text"]):
        chart = named(tree, name)
        for rank, one in enumerate(found.detectors, 1):
            areas = one.curves[place - 1].aurocs if place else one.severities
            (line,), (band,) = (parts(chart, "path", f"{kind}-{rank}") for kind in ("series", "spread"))
            drawn = data(chart, line)
            np.testing.assert_allclose(drawn[:, 0], range(1, 6), atol=0.01)
            np.testing.assert_allclose(drawn[:, 1], [area.value for area in areas], atol=2e-3)
            edge = data(chart, band)[:, 1]
            np.testing.assert_allclose(edge.max(), max(area.high for area in areas), atol=2e-3)
            np.testing.assert_allclose(edge.min(), min(area.low for area in areas), atol=2e-3)


def bins(chart: Element, kind: str) -> NDArray[np.float64]:
    """Left edge, right edge and share of each bin, from the outline of a histogram: [B, 3]."""
    (path,) = parts(chart, "path", kind)
    points = corners(path)
    slope, start = ticks(chart, upright=False)
    base = points[:, 1].max()
    found = [
        ((left - start) / slope, (right - start) / slope, base - height)
        for (left, height), (right, same) in pairwise(points)
        if height == same and left < right
    ]
    drawn = np.array(found)
    drawn[:, 2] /= drawn[:, 2].sum()
    return drawn


def test_bins_hold_the_scores_between_their_edges(measured: onnx_ood.BenchResult) -> None:
    charts = iter(parts(drawing(bench_picture(measured)), "g", "distribution"))
    for detector in measured.detectors:
        for metrics in detector.metrics:
            chart = next(charts)
            name = metrics.set.replace("_", " ")
            assert texts(chart, "panel-title") == [f"{name}, AUROC {metrics.auroc.value:.2f}"]
            for kind, values in (
                ("id-scores", np.array(detector.scores.id)),
                ("ood-scores", np.array(detector.scores.sets[metrics.set])),
            ):
                drawn = bins(chart, kind)
                assert len(drawn) >= 8
                # Positions are rounded to a tenth of a unit, of 206; so are heights, of 82.
                near = 1e-3 * (drawn[-1, 1] - drawn[0, 0])
                drawn[0, 0], drawn[-1, 1] = -np.inf, np.inf
                for low, high, share in drawn:
                    least = np.mean((values >= low + near) & (values < high - near))
                    most = np.mean((values >= low - near) & (values < high + near))
                    assert least - 0.005 <= share <= most + 0.005
    assert next(charts, None) is None


def test_scores_that_are_infinite_or_all_equal_are_drawn(measured: onnx_ood.BenchResult) -> None:
    detector = measured.detectors[0]
    largest = float(np.finfo(np.float64).max)
    for values in ((1.0, 1.0), (0.0, largest), (largest, largest)):
        scores = BenchScores(id=(1.0, 1.0), sets={one.set: values for one in detector.metrics})
        changed = detector.model_copy(update={"scores": scores})
        tree = drawing(bench_picture(measured.model_copy(update={"detectors": (changed,)})))
        charts = parts(tree, "g", "distribution")
        assert len(charts) == len(detector.metrics)
        for chart in charts:
            drawn = bins(chart, "ood-scores")
            assert np.isfinite(drawn).all()
            assert drawn[:, 2].max() in (0.5, 1.0)


def test_without_scores_means_and_corruptions_remain(measured: onnx_ood.BenchResult) -> None:
    bare = tuple(one.model_copy(update={"scores": None}) for one in measured.detectors)
    tree = drawing(bench_picture(measured.model_copy(update={"detectors": bare})))
    assert len(parts(tree, "g", "means")) == 1
    assert len(parts(tree, "g", "series-panel")) == 3
    assert not parts(tree, "g", "distribution")
