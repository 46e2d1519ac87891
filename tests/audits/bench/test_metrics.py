"""Metrics of detectors against scores computed by plain runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from bench_folders import logits_of
from scipy.special import logsumexp, softmax
from scipy.stats import mannwhitneyu

import onnx_ood


def test_figures_are_those_of_the_model(folders: tuple[Path, Path], result: onnx_ood.BenchResult) -> None:
    usual, odd = map(logits_of, folders)
    scores = {
        "energy": (-logsumexp(usual, axis=1), -logsumexp(odd, axis=1)),
        "msp": (-softmax(usual, axis=1).max(axis=1), -softmax(odd, axis=1).max(axis=1)),
    }
    for detector in result.detectors:
        if detector.name in scores:
            low, high = scores[detector.name]
            expected = mannwhitneyu(high, low).statistic / (len(low) * len(high))
            found = next(one for one in detector.metrics if one.set == "odd")
            assert abs(found.auroc.value - expected) < 2e-3
            assert found.auroc.low <= found.auroc.value <= found.auroc.high
        mean = np.mean([one.auroc.value for one in detector.metrics])
        assert abs(detector.macro.value - mean) < 1e-12
