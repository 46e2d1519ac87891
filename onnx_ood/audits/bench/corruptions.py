"""Severity curves: how well detectors separate corrupted pictures from the same pictures without corruption."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnx_ood._dialect import named
from onnx_ood._types import Float
from onnx_ood.audits.bench.result import BenchCorruptions, BenchInterval, CorruptionCurve, CorruptionMetrics
from onnx_ood.audits.bench.settings import CORRUPTIONS
from onnx_ood.detectors import Features
from onnx_ood.evidence.collect import Collector, Measures, SeededAlteration
from onnx_ood.evidence.fit import FittedDetectors
from onnx_ood.exceptions import UsageError
from onnx_ood.inputs import InputSource, Preprocessing
from onnx_ood.metrics.bootstrap import PairedResampling
from onnx_ood.perturb import apply, find_corruption

# All corruptions have the same severities.
_SEVERITIES = find_corruption("gaussian_noise").severities


class ScoreReader:
    """Measures scores instead of features, so that features are not kept.

    Scores are float64 [N, D], one column per detector; rows of inputs with NaN or infinity in the features are NaN.
    """

    def __init__(
        self, reader: Measures[Features], fitted: FittedDetectors, progress: Callable[[int], None]
    ) -> None:
        """Store the reader and the detectors.

        Args:
            reader: Measures features.
            fitted: The D fitted detectors.
            progress: Called with the number of inputs, corrupted ones included, of each batch that is done.
        """
        self._reader, self._fitted, self._progress = reader, fitted, progress

    def read(self, batch: NDArray[Any], others: Mapping[str, NDArray[Any]] | None = None) -> Float:
        """Score inputs [N, *input], with values of the model's other inputs; `ModelError` if a run fails."""
        features = self._reader.read(batch, others)
        good = np.flatnonzero(self._reader.finite(features))
        scores = np.full((len(batch), len(self._fitted.detectors)), np.nan)
        if len(good):
            found = self._fitted.scores(self._reader.rows(features, good))
            # A score of NaN despite finite features counts as out-of-distribution.
            scores[good] = np.where(np.isnan(found), np.inf, found)
        self._progress(len(batch))
        return scores

    def joined(self, parts: Sequence[Float]) -> Float:
        """Concatenate scores of several batches; empty for no batches."""
        return np.concatenate([np.empty((0, len(self._fitted.detectors))), *parts])

    def finite(self, found: Float) -> NDArray[np.bool_]:
        """Return a mask of the inputs with scores, bool [N]."""
        return np.logical_not(np.isnan(found).any(axis=1))

    def rows(self, found: Float, which: NDArray[np.intp]) -> Float:
        """Return the scores of some of the inputs."""
        return found[which]


def versions(corruptions: Sequence[str]) -> int:
    """Return the number of corrupted versions of an input."""
    return len(corruptions) * len(_SEVERITIES)


def applicable(
    corruptions: Sequence[str], preprocessing: Preprocessing | None
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Select the corruptions that apply to a model's pictures.

    Args:
        corruptions: Names of corruptions.
        preprocessing: Preprocessing of pictures; None if inputs are not pictures.

    Returns:
        Names of those that apply, and the reason for each other, by name.

    Raises:
        UsageError: If none of the given corruptions applies.
    """
    if not corruptions:
        return (), {}
    if preprocessing is None:
        raise UsageError(
            f"corruptions take pictures, and the inputs are not; leave out {named('corruptions')}"
        )
    grey = np.full((1, *preprocessing.size, 1 if preprocessing.channels == "L" else 3), 0.5, np.float32)
    reasons: dict[str, str] = {}
    for name in corruptions:
        try:
            apply(name, _SEVERITIES[0], grey, np.random.default_rng(0))
        except UsageError as error:
            reasons[name] = str(error)
    if len(reasons) == len(corruptions):
        raise UsageError(f"no corruption applies: {next(iter(reasons.values()))}")
    return tuple(name for name in corruptions if name not in reasons), reasons


def corruption_curves(
    collector: Collector[Float],
    detectors: Sequence[str],
    source: InputSource,
    corruptions: Sequence[str],
    left_out: Mapping[str, str],
    seed: int,
) -> BenchCorruptions:
    """Measure all corruptions and severities, batch by batch; only scores are kept.

    Args:
        collector: Measures scores by `ScoreReader`.
        detectors: Names of the detectors, in the order of their scores.
        source: In-distribution pictures.
        corruptions: Corruptions that apply.
        left_out: Reasons why others do not apply, by name.
        seed: Seed of the resamples.

    Returns:
        The curves, the best detector first.
    """
    alterations = {
        f"{name} {severity}": SeededAlteration(
            # The same draws whichever corruptions are chosen.
            100 * (1 + CORRUPTIONS.index(name)) + severity,
            partial(apply, name, severity),
        )
        for name in corruptions
        for severity in _SEVERITIES
    }
    found = collector.collect(source, alterations)
    scores = np.stack([found.altered[name] for name in alterations], axis=-1)
    resampling = PairedResampling(len(found.ids), seed)
    metrics = []
    for column, detector in enumerate(detectors):
        samples = resampling.aurocs(found.values[:, column], scores[:, column])
        by_corruption = samples.reshape(len(samples), len(corruptions), len(_SEVERITIES))
        metrics.append(
            CorruptionMetrics(
                detector=detector,
                mean=BenchInterval.of(samples.mean(axis=1)),
                severities=tuple(
                    BenchInterval.of(by_corruption[..., place].mean(axis=1))
                    for place in range(len(_SEVERITIES))
                ),
                curves=tuple(
                    CorruptionCurve(
                        corruption=name,
                        aurocs=tuple(BenchInterval.of(one) for one in by_corruption[:, place].T),
                    )
                    for place, name in enumerate(corruptions)
                ),
            )
        )
    notes = tuple(
        f"The model gives NaN or infinity for {count} of {len(found.ids)} pictures with {name}; these count as "
        "detected."
        for name, count in zip(alterations, np.isnan(scores).any(axis=1).sum(axis=0).tolist(), strict=True)
        if count
    )
    return BenchCorruptions(
        inputs=len(found.ids),
        corruptions=tuple(corruptions),
        left_out=dict(left_out),
        detectors=tuple(sorted(metrics, key=lambda one: -one.mean.value)),
        notes=notes,
    )
