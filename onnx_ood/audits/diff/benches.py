"""Differences between two benchmarks."""

from __future__ import annotations

from collections.abc import Iterator

from onnx_ood.audits.bench.result import BenchInterval, BenchResult
from onnx_ood.audits.diff.metric_changes import change_with_interval, one_sided
from onnx_ood.audits.diff.result import MetricChange
from onnx_ood.detectors import differing_terms


def metrics_of_benches(a: BenchResult, b: BenchResult) -> Iterator[MetricChange]:
    """Compare the AUROCs of detectors and sets in both benches.

    Args:
        a: The first benchmark.
        b: The second benchmark.
    """
    others = {one.name: one for one in b.detectors}
    for one in a.detectors:
        if one.name not in others:
            continue
        other = others[one.name]
        yield change_with_interval(f"AUROC {one.name}, mean", _ends(one.macro), _ends(other.macro))
        areas = {metric.set: metric.auroc for metric in other.metrics}
        for metric in one.metrics:
            if metric.set in areas:
                name = f"AUROC {one.name}, {metric.set}"
                yield change_with_interval(name, _ends(metric.auroc), _ends(areas[metric.set]))


def notes_of_benches(a: BenchResult, b: BenchResult) -> tuple[str, ...]:
    """Note detectors that combine other terms.

    Args:
        a: The first benchmark.
        b: The second benchmark.
    """
    terms = {one.name: one.terms for one in b.detectors}
    return tuple(
        f"AUROCs of {one.name} are of another detector: {differing}."
        for one in a.detectors
        if (differing := differing_terms(one.terms, terms.get(one.name, ())))
    )


def unshared_of_benches(a: BenchResult, b: BenchResult) -> tuple[str, ...]:
    """Detectors and sets in one of them only.

    Args:
        a: The first benchmark.
        b: The second benchmark.
    """
    names = ([*(one.name for one in each.detectors), *(one.name for one in each.sets)] for each in (a, b))
    return one_sided(*names)


def _ends(one: BenchInterval) -> tuple[float, float, float]:
    return one.value, one.low, one.high
