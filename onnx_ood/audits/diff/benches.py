"""What differs between two benchmarks."""

from __future__ import annotations

from collections.abc import Iterator

from onnx_ood.audits.bench.result import BenchInterval, BenchResult
from onnx_ood.audits.diff.metrics import apart, one_sided
from onnx_ood.audits.diff.result import MetricChange


def figures_of_benches(a: BenchResult, b: BenchResult) -> Iterator[MetricChange]:
    """Changes of AUROCs, of detectors and sets that both have.

    Args:
        a: A benchmark.
        b: Another.
    """
    others = {one.name: one for one in b.detectors}
    for one in a.detectors:
        if one.name not in others:
            continue
        other = others[one.name]
        yield apart(f"AUROC {one.name}, mean", _ends(one.macro), _ends(other.macro))
        sets = {figure.set: figure.auroc for figure in other.figures}
        for figure in one.figures:
            if figure.set in sets:
                yield apart(f"AUROC {one.name}, {figure.set}", _ends(figure.auroc), _ends(sets[figure.set]))


def unshared_of_benches(a: BenchResult, b: BenchResult) -> tuple[str, ...]:
    """Detectors and sets that one of them lacks.

    Args:
        a: A benchmark.
        b: Another.
    """
    names = ([*(one.name for one in each.detectors), *(one.name for one in each.sets)] for each in (a, b))
    return one_sided(*names)


def _ends(one: BenchInterval) -> tuple[float, float, float]:
    return one.value, one.low, one.high
