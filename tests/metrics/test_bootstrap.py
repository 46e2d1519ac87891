"""Bootstrap resamples against drawing inputs, and their intervals against the truth."""

from __future__ import annotations

import numpy as np

from onnx_ood.metrics.bootstrap import Resampling
from onnx_ood.metrics.detection import detection
from onnx_ood.metrics.estimates import percentile_interval
from onnx_ood.metrics.openood import openood_metrics


def test_resamples_are_those_of_drawing_inputs() -> None:
    """The same resamples, drawn as inputs and counted as pairs."""
    rng = np.random.default_rng(0)
    low, high = rng.normal(size=9), {"a": rng.normal(1, 1, 7), "b": rng.normal(size=5)}
    resampling = Resampling(9, {"a": 7, "b": 5}, seed=3, resamples=6)
    found = resampling.aurocs(low, high)
    for column, name in enumerate(("a", "b")):
        assert abs(found[0, column] - detection(low, high[name]).auroc) < 1e-12
        for i in range(6):
            drawn = np.repeat(low, np.rint(resampling._id[i] * 9).astype(int))
            others = np.repeat(high[name], np.rint(resampling._ood[name][i] * len(high[name])).astype(int))
            assert abs(found[1 + i, column] - detection(drawn, others).auroc) < 1e-12


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    """Normal scores half a standard deviation apart: AUROC Φ(½/√2)."""
    truth = 0.638163195
    rng = np.random.default_rng(1)
    covered = 0
    for trial in range(200):
        resampling = Resampling(60, {"a": 60}, seed=trial, resamples=300)
        samples = resampling.aurocs(rng.normal(size=60), {"a": rng.normal(0.5, 1, 60)})
        _, low, high = percentile_interval(samples[:, 0])
        covered += low <= truth <= high
    # Binomial(200, 0.95) is above 178 in 99.9% of cases; percentile intervals are a little narrow.
    assert covered >= 178


def test_openood_metrics_are_of_the_draws_that_aurocs_are_of() -> None:
    rng = np.random.default_rng(5)
    low, high = (
        np.round(rng.normal(size=40), 1),
        {"a": rng.normal(1, 1, 30), "b": np.round(rng.normal(size=20), 1)},
    )
    resampling = Resampling(40, {"a": 30, "b": 20}, seed=3, resamples=50)
    aurocs, found = resampling.aurocs(low, high), resampling.openood(low, high)
    for column, name in enumerate(high):
        np.testing.assert_allclose(found[name].auroc, aurocs[:, column], rtol=1e-12)
        sample = openood_metrics(low, high[name])
        assert [float(values[0]) for values in found[name]] == [float(values[0]) for values in sample]
        assert all(np.all((values >= 0) & (values <= 1)) for values in found[name])
