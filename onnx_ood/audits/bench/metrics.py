"""What follows from the evidence of a benchmark: figures of detectors, and what is flagged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from onnx_ood._types import Float
from onnx_ood.audits.bench.result import BenchDetector, BenchFlags, BenchInterval, BenchScores, SetMetrics
from onnx_ood.detectors import Detector, Features, FittedDetector, ModelInfo, detector_p_values, flag
from onnx_ood.evidence.references import ReferenceSet
from onnx_ood.metrics.bootstrap import Resampling
from onnx_ood.metrics.detection import detection, nan_to_inf
from onnx_ood.metrics.estimates import fraction_interval


def detector_metrics(
    detectors: Sequence[Detector],
    scorers: Mapping[str, FittedDetector],
    usual: Features,
    tested: Mapping[str, Features],
    seed: int,
    *,
    keep_scores: bool,
) -> tuple[BenchDetector, ...]:
    """Compares scores.

    Args:
        detectors: The detectors.
        scorers: What each makes of evidence, by its name.
        usual: What was measured of ordinary inputs.
        tested: The same of each set, by name.
        seed: Seed of resamples.
        keep_scores: True to have the scores in the figures.

    Returns:
        Figures of all detectors, the best first.
    """
    resampling = Resampling(len(usual), {name: len(one) for name, one in tested.items()}, seed)
    aurocs: dict[str, Float] = {}
    scores: dict[str, tuple[Float, dict[str, Float]]] = {}
    for detector in detectors:
        scorer = scorers[detector.name]
        ordinary, strange = scorer(usual), {name: scorer(one) for name, one in tested.items()}
        scores[detector.name] = ordinary, strange
        aurocs[detector.name] = resampling.aurocs(ordinary, strange)
    order = sorted(detectors, key=lambda one: -float(aurocs[one.name][0].mean()))
    best = aurocs[order[0].name].mean(axis=1)
    results = []
    for detector in order:
        samples = aurocs[detector.name]
        ordinary, strange = scores[detector.name]
        results.append(
            BenchDetector(
                name=detector.name,
                formula=detector.formula,
                source=detector.source,
                reference=detector.uses_reference,
                macro=BenchInterval.of(samples.mean(axis=1)),
                gap_to_best=BenchInterval.of(best - samples.mean(axis=1)),
                metrics=tuple(
                    _set(name, ordinary, values, samples[:, column])
                    for column, (name, values) in enumerate(strange.items())
                ),
                scores=_kept(ordinary, strange) if keep_scores else None,
            )
        )
    return tuple(results)


def flagged(
    info: ModelInfo, known: ReferenceSet, usual: Features, tested: Mapping[str, Features], rate: float
) -> BenchFlags | None:
    """Looks what is flagged as unlike references.

    Args:
        info: What is known of the model.
        known: The references.
        usual: What was measured of ordinary inputs.
        tested: The same of each set, by name.
        rate: False-positive rate.

    Returns:
        Shares; None where no references were given, or too few for the rate, or the model gives nothing to go by.
    """
    if known.source != "given" or known.evidence is None or (len(known.evidence) + 1) * rate < 1:
        return None
    if not info.layers and info.probabilities is None:
        return None
    reference = known.evidence

    def found(inputs: Features) -> NDArray[np.bool_]:
        return flag(detector_p_values(info, reference, inputs), rate, len(reference))

    ordinary = found(usual)
    rate_found, low, high = fraction_interval(int(ordinary.sum()), len(ordinary))
    return BenchFlags(
        fpr=rate,
        id=BenchInterval(value=rate_found, low=low, high=high),
        sets={name: float(found(one).mean()) for name, one in tested.items()},
    )


def _kept(ordinary: Float, strange: Mapping[str, Float]) -> BenchScores:
    def numbers(scores: Float) -> tuple[float, ...]:
        return tuple(np.nan_to_num(nan_to_inf(scores)).tolist())

    return BenchScores(id=numbers(ordinary), sets={name: numbers(scores) for name, scores in strange.items()})


def _set(name: str, ordinary: Float, strange: Float, samples: Float) -> SetMetrics:
    found = detection(ordinary, strange)
    return SetMetrics(
        set=name,
        auroc=BenchInterval.of(samples),
        aupr_in=found.aupr_in,
        aupr_out=found.aupr_out,
        fpr95=found.fpr95,
    )
