"""Metrics of detectors on sets of inputs, and shares of flagged inputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np

from onnx_ood._limits import MIN_SET_SIZE
from onnx_ood._types import Float
from onnx_ood.audits.bench.result import BenchDetector, BenchFlags, BenchInterval, BenchScores, SetMetrics
from onnx_ood.audits.bench.settings import BenchSettings
from onnx_ood.detectors import Features, calibrate, flag
from onnx_ood.evidence.fit import FittedDetectors
from onnx_ood.metrics.bootstrap import Resampling
from onnx_ood.metrics.detection import detection, nan_to_inf
from onnx_ood.metrics.estimates import fraction_interval

SetScores: TypeAlias = Mapping[str, tuple[Float, Mapping[str, Float]]]
"""Scores of the in-distribution inputs, and of each set by name, by the name of the detector."""


def set_scores(fitted: FittedDetectors, usual: Features, ood: Mapping[str, Features]) -> SetScores:
    """Score all sets by all detectors.

    Args:
        fitted: The fitted detectors.
        usual: Features of the in-distribution inputs.
        ood: Features of each out-of-distribution set, by name.
    """
    return {
        name: (score(usual), {set_name: score(one) for set_name, one in ood.items()})
        for name, score in fitted.by_name.items()
    }


def detector_metrics(
    fitted: FittedDetectors, scores: SetScores, seed: int, *, keep_scores: bool
) -> tuple[BenchDetector, ...]:
    """Compute the metrics of all detectors.

    Args:
        fitted: The fitted detectors.
        scores: Their scores.
        seed: Seed of the resamples.
        keep_scores: True to keep the scores of all inputs.

    Returns:
        Metrics of all detectors, the best first. Sets with fewer than 10 inputs count in no mean.
    """
    usual, ood = next(iter(scores.values()))
    sizes = {name: len(one) for name, one in ood.items()}
    resampling = Resampling(len(usual), sizes, seed)
    aurocs = {name: resampling.aurocs(*of_sets) for name, of_sets in scores.items()}
    large = [column for column, size in enumerate(sizes.values()) if size >= MIN_SET_SIZE]
    counted = large or list(range(len(sizes)))
    means = {name: samples[:, counted].mean(axis=1) for name, samples in aurocs.items()}
    order = sorted(fitted.detectors, key=lambda one: -float(means[one.name][0]))
    best = means[order[0].name]
    results = []
    for detector in order:
        combined = fitted.combined.get(detector.name)
        samples = aurocs[detector.name]
        low, high = scores[detector.name]
        results.append(
            BenchDetector(
                name=detector.name,
                formula=detector.formula,
                source=detector.source,
                reference=detector.uses_reference,
                terms=tuple(one.name for one in combined.terms) if combined else (),
                macro=BenchInterval.of(means[detector.name]),
                gap_to_best=BenchInterval.of(best - means[detector.name]),
                metrics=tuple(
                    _set(name, low, values, samples[:, column])
                    for column, (name, values) in enumerate(high.items())
                ),
                scores=_kept(low, high) if keep_scores else None,
            )
        )
    return tuple(results)


def flagged(
    fitted: FittedDetectors,
    usual: Features,
    ood: Mapping[str, Features],
    settings: BenchSettings,
) -> BenchFlags | None:
    """Compute the shares of inputs flagged as unlike the references, as the score audit flags them.

    Args:
        fitted: Fitted detectors with the model's facts and references.
        usual: Features of the in-distribution inputs.
        ood: Features of each out-of-distribution set, by name.
        settings: Settings of the audit.

    Returns:
        Shares by the first named detector that can flag, or by `auto` if none is named; None without given references,
        or if no such detector can flag.
    """
    info, reference = fitted.info, fitted.references.features
    if fitted.references.source != "given" or reference is None:
        return None
    for detector in fitted.detectors:
        if not settings.detectors and detector.name != "auto":
            continue
        try:
            calibrated = calibrate(detector, info, reference, settings.seed, rate=settings.fpr)
            count = calibrated.references
            found = {
                name: flag(calibrated.p_values(inputs), settings.fpr, count)
                for name, inputs in (("", usual), *ood.items())
            }
        # Too few references for the rate, a half of them that nothing can be learned from, or scores without a rank.
        except ValueError:
            continue
        false_positives = found.pop("")
        share, low, high = fraction_interval(int(false_positives.sum()), len(false_positives))
        return BenchFlags(
            detector=detector.name,
            fpr=settings.fpr,
            id=BenchInterval(value=share, low=low, high=high),
            sets={name: float(one.mean()) for name, one in found.items()},
        )
    return None


def _kept(low: Float, high: Mapping[str, Float]) -> BenchScores:
    def numbers(scores: Float) -> tuple[float, ...]:
        return tuple(np.nan_to_num(nan_to_inf(scores)).tolist())

    return BenchScores(id=numbers(low), sets={name: numbers(scores) for name, scores in high.items()})


def _set(name: str, low: Float, high: Float, samples: Float) -> SetMetrics:
    found = detection(low, high)
    return SetMetrics(
        set=name,
        auroc=BenchInterval.of(samples),
        aupr_in=found.aupr_in,
        aupr_out=found.aupr_out,
        fpr95=found.fpr95,
    )
