"""How often a gate against a baseline fails though nothing changed: the table of docs/ci.md.

python benchmarks/alike_draws.py [--draws 3000]

Pairs of draws from one distribution are judged as a check judges them, and failures in the direction that is worse are
counted.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import cache

import numpy as np

from onnx_ood.audits.check.baseline import BaselineMetric
from onnx_ood.audits.check.config import Gate
from onnx_ood.audits.check.evaluate import judge
from onnx_ood.audits.check.metric_values import Reading
from onnx_ood.metrics.bootstrap import Resampling
from onnx_ood.metrics.estimates import fraction_interval, mean_interval, median_interval, percentile_interval

Figure = tuple[float, float, float]
COUNTS = (10, 20, 50, 200)
rng = np.random.default_rng(7)


def main() -> None:
    """Prints the rates of each figure, and their range."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=3000, help="Pairs of each kind.")
    draws = parser.parse_args().draws
    kinds: dict[str, tuple[str, dict[str, Callable[[int], Figure]]]] = {
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
    for name, (figure, distributions) in kinds.items():
        rates = []
        for words, draw in distributions.items():
            for count in COUNTS:
                rates.append(_rate(figure, lambda draw=draw, count=count: draw(count), draws))
                print(f"{name}, {words}, n = {count}: {rates[-1]:.2%}", flush=True)
        print(f"{name}: {min(rates):.1%} to {max(rates):.1%}")


def _rate(figure: str, draw: Callable[[], Figure], draws: int) -> float:
    """Share of pairs of which one is worse than the other; of figures that fail either way, half of it."""
    gate = Gate.model_validate({"figure": figure, "against": "baseline"})
    failed = 0
    for _ in range(draws):
        (value, low, high), now = draw(), draw()
        then = BaselineMetric(value=value, low=low, high=high, inputs=100)
        failed += judge(gate, 1, Reading(*now, 100), then).outcome == "failed"
    return failed / draws / (2 if figure == "flip-rate" else 1)


def _share(count: int, probability: float) -> Figure:
    found = int(rng.binomial(count, probability))
    return _exact(found, count)


@cache
def _exact(found: int, count: int) -> Figure:
    return fraction_interval(found, count)


def _area(count: int, shift: float) -> Figure:
    scores = rng.normal(size=count), {"set": rng.normal(shift, 1, count)}
    return percentile_interval(_resampling(count).aurocs(*scores)[:, 0])


@cache
def _resampling(count: int) -> Resampling:
    """As the bench audit has it: the same resamples in every run."""
    return Resampling(count, {"set": count}, seed=0)


if __name__ == "__main__":
    main()
