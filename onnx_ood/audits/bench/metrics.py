"""Metrics of detectors on sets of inputs, and shares of flagged inputs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from onnx_ood._types import Float
from onnx_ood.audits.bench.result import BenchDetector, BenchFlags, BenchInterval, BenchScores, SetMetrics
from onnx_ood.detectors import Features, detector_p_values, flag
from onnx_ood.evidence.fit import FittedDetectors
from onnx_ood.metrics.bootstrap import Resampling
from onnx_ood.metrics.detection import detection, nan_to_inf
from onnx_ood.metrics.estimates import fraction_interval


def detector_metrics(
    fitted: FittedDetectors,
    usual: Features,
    ood: Mapping[str, Features],
    seed: int,
    *,
    keep_scores: bool,
) -> tuple[BenchDetector, ...]:
    """Compute the metrics of all detectors.

    Args:
        fitted: The fitted detectors.
        usual: Features of the in-distribution inputs.
        ood: Features of each out-of-distribution set, by name.
        seed: Seed of the resamples.
        keep_scores: True to keep the scores of all inputs.

    Returns:
        Metrics of all detectors, the best first.
    """
    resampling = Resampling(len(usual), {name: len(one) for name, one in ood.items()}, seed)
    aurocs: dict[str, Float] = {}
    scores: dict[str, tuple[Float, dict[str, Float]]] = {}
    for name, score in fitted.by_name.items():
        scores[name] = score(usual), {set_name: score(one) for set_name, one in ood.items()}
        aurocs[name] = resampling.aurocs(*scores[name])
    order = sorted(fitted.detectors, key=lambda one: -float(aurocs[one.name][0].mean()))
    best = aurocs[order[0].name].mean(axis=1)
    results = []
    for detector in order:
        samples = aurocs[detector.name]
        low, high = scores[detector.name]
        results.append(
            BenchDetector(
                name=detector.name,
                formula=detector.formula,
                source=detector.source,
                reference=detector.uses_reference,
                macro=BenchInterval.of(samples.mean(axis=1)),
                gap_to_best=BenchInterval.of(best - samples.mean(axis=1)),
                metrics=tuple(
                    _set(name, low, values, samples[:, column])
                    for column, (name, values) in enumerate(high.items())
                ),
                scores=_kept(low, high) if keep_scores else None,
            )
        )
    return tuple(results)


def flagged(
    fitted: FittedDetectors, usual: Features, ood: Mapping[str, Features], fpr: float
) -> BenchFlags | None:
    """Compute the shares of inputs flagged as unlike the references.

    Args:
        fitted: Fitted detectors with the model's facts and references.
        usual: Features of the in-distribution inputs.
        ood: Features of each out-of-distribution set, by name.
        fpr: False-positive rate.

    Returns:
        Shares; None without given references, with too few for the rate, or if the model has neither class scores nor
        readable activations.
    """
    info, reference = fitted.info, fitted.references.features
    if fitted.references.source != "given" or reference is None or (len(reference) + 1) * fpr < 1:
        return None
    if not info.layers and info.probabilities is None:
        return None

    def found(inputs: Features) -> NDArray[np.bool_]:
        return flag(detector_p_values(info, reference, inputs), fpr, len(reference))

    false_positives = found(usual)
    share, low, high = fraction_interval(int(false_positives.sum()), len(false_positives))
    return BenchFlags(
        fpr=fpr,
        id=BenchInterval(value=share, low=low, high=high),
        sets={name: float(found(one).mean()) for name, one in ood.items()},
    )


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
