"""Intervals and the worst set of a benchmark."""

from __future__ import annotations

import numpy as np
import pytest

from onnx_ood.audits.bench.result import BenchDetector, BenchInterval, BenchResult, BenchSet, SetMetrics


def test_intervals_hold_95_percent_of_the_resamples() -> None:
    samples = np.concatenate([[0.7], np.linspace(0, 1, 1001)])
    found = BenchInterval.of(samples)
    assert (found.value, found.low, found.high) == pytest.approx((0.7, 0.025, 0.975), abs=1e-3)


def test_the_worst_set_is_large_enough_and_has_the_smallest_auroc() -> None:
    def area(value: float) -> BenchInterval:
        return BenchInterval(value=value, low=value, high=value)

    aurocs = {"fog": 0.9, "text": 0.4, "noise": 0.6}
    metrics = tuple(
        SetMetrics(set=name, auroc=area(value), aupr_in=1, aupr_out=1, fpr95=0)
        for name, value in aurocs.items()
    )
    detector = BenchDetector(
        name="d",
        formula="",
        source="",
        reference=False,
        macro=area(0.6),
        gap_to_best=area(0),
        metrics=metrics,
    )

    def worst(id_count: int, **inputs: int) -> tuple[str, list[str]]:
        sets = tuple(BenchSet(name=name, inputs=inputs.get(name, 10), synthetic=False) for name in aurocs)
        result = BenchResult.model_construct(id=id_count, sets=sets, detectors=(detector,))
        return result.worst_set(detector).set, [one.name for one in result.evaluated_sets]

    assert worst(10) == ("text", ["fog", "text", "noise"])
    assert worst(10, text=9) == ("noise", ["fog", "noise"])
    assert worst(9) == ("text", [])
