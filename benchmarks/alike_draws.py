"""False alarms of gates with a baseline, without any change: the table of docs/ci.md.

python benchmarks/alike_draws.py [--draws 3000]

Evaluates pairs of draws from one distribution like a check, and counts failures in the worse direction.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import cache

import numpy as np

from onnx_ood.audits.check.baseline import BaselineMetric
from onnx_ood.audits.check.config import Gate
from onnx_ood.audits.check.evaluate import evaluate
from onnx_ood.audits.check.registry import MetricValue
from onnx_ood.metrics.bootstrap import Resampling
from onnx_ood.metrics.estimates import fraction_interval, mean_interval, median_interval, percentile_interval

Value = tuple[float, float, float]
COUNTS = (10, 20, 50, 200)
rng = np.random.default_rng(7)


def main() -> None:
    """Print the failure rates of each metric, and their range."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=3000, help="Pairs per distribution and count.")
    draws = parser.parse_args().draws
    metrics: dict[str, tuple[str, dict[str, Callable[[int], Value]]]] = {
        "shares": ("flagged", {f"{p:g}": lambda n, p=p: _share(n, p) for p in (0, 0.01, 0.05, 0.2, 0.5, 0.95, 1)}),
        "medians": (
            "flip-rate",
            {
                "normal": lambda n: median_interval(rng.normal(size=n)),
                "log-normal": lambda n: median_interval(rng.lognormal(size=n)),
                "ties": lambda n: median_interval(rng.integers(0, 4, n) / 10),
            },
        ),
        "means": (
            "jacobian-norm",
            {
                "normal": lambda n: mean_interval(rng.normal(size=n)),
                "log-normal": lambda n: mean_interval(rng.lognormal(size=n)),
                "log-normal, s = 2": lambda n: mean_interval(rng.lognormal(0, 2, n)),
            },
        ),
        "AUROCs": ("auroc", {f"shift {s:g}": lambda n, s=s: _area(n, s) for s in (0, 1, 2, 3, 4)}),
    }  # fmt: skip
    for name, (metric, distributions) in metrics.items():
        rates = []
        for words, draw in distributions.items():
            for count in COUNTS:
                rates.append(_rate(metric, lambda draw=draw, count=count: draw(count), draws))
                print(f"{name}, {words}, n = {count}: {rates[-1]:.2%}", flush=True)
        print(f"{name}: {min(rates):.1%} to {max(rates):.1%}")


def _rate(metric: str, draw: Callable[[], Value], draws: int) -> float:
    """Share of failing pairs; for metrics that fail in either direction, half of it."""
    gate = Gate.model_validate({"metric": metric, "baseline": True})
    failed = 0
    for _ in range(draws):
        (value, low, high), now = draw(), draw()
        then = BaselineMetric(value=value, low=low, high=high, inputs=100)
        failed += evaluate(gate, 1, MetricValue(*now, 100), then).outcome == "failed"
    return failed / draws / (2 if metric == "flip-rate" else 1)


def _share(count: int, probability: float) -> Value:
    found = int(rng.binomial(count, probability))
    return _exact(found, count)


@cache
def _exact(found: int, count: int) -> Value:
    return fraction_interval(found, count)


def _area(count: int, shift: float) -> Value:
    scores = rng.normal(size=count), {"set": rng.normal(shift, 1, count)}
    return percentile_interval(_resampling(count).aurocs(*scores)[:, 0])


@cache
def _resampling(count: int) -> Resampling:
    """As the bench audit has it: the same resamples in every run."""
    return Resampling(count, {"set": count}, seed=0)


if __name__ == "__main__":
    main()
