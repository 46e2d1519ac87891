"""Severity curves: how well detectors tell corrupted pictures from the same pictures as they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnx_ood._types import Float
from onnx_ood.audits.bench.result import BenchCorruptions, BenchInterval, CorruptionCurve, CorruptionMetrics
from onnx_ood.audits.bench.settings import CORRUPTIONS
from onnx_ood.detectors import Features, FittedDetector
from onnx_ood.evidence.collect import Altering, Collector, Measures
from onnx_ood.exceptions import UsageError
from onnx_ood.inputs import Preprocessing
from onnx_ood.metrics.bootstrap import PairedResampling
from onnx_ood.perturb import apply, find_corruption

# All of these kinds have them.
_SEVERITIES = find_corruption("gaussian_noise").severities


class Scoring:
    """Measures scores: what detectors make of the evidence of inputs, which isn't kept.

    Scores are float64 [N, D], a column a detector; a row is NaN where something that was measured isn't finite.
    """

    def __init__(
        self, reader: Measures[Features], scorers: Sequence[FittedDetector], step: Callable[[int], None]
    ) -> None:
        """Settles what is measured.

        Args:
            reader: Measures evidence.
            scorers: Those of D detectors.
            step: Called with the number of inputs, corrupted ones too, that are done each time.
        """
        self._reader, self._scorers, self._step = reader, scorers, step

    def read(self, batch: NDArray[Any], others: Mapping[str, NDArray[Any]] | None = None) -> Float:
        """Scores of inputs [N, *input], with values of the model's other inputs; `ModelError` if a run fails."""
        evidence = self._reader.read(batch, others)
        good = np.flatnonzero(self._reader.finite(evidence))
        scores = np.full((len(batch), len(self._scorers)), np.nan)
        if len(good):
            evidence = self._reader.rows(evidence, good)
            found = np.stack([scorer(evidence) for scorer in self._scorers], axis=1)
            # A detector that has no number for an input that the model has one for finds it strange.
            scores[good] = np.where(np.isnan(found), np.inf, found)
        self._step(len(batch))
        return scores

    def joined(self, parts: Sequence[Float]) -> Float:
        """Scores of inputs one behind the other; empty of no parts."""
        return np.concatenate([np.empty((0, len(self._scorers))), *parts])

    def finite(self, found: Float) -> NDArray[np.bool_]:
        """Inputs that have scores, [N]."""
        return np.logical_not(np.isnan(found).any(axis=1))

    def rows(self, found: Float, which: NDArray[np.intp]) -> Float:
        """Scores of some of the inputs."""
        return found[which]


def possible(
    kinds: Sequence[str], preprocessing: Preprocessing | None
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Looks which kinds a model's pictures can take.

    Args:
        kinds: Names of corruptions.
        preprocessing: How pictures become tensors; None if inputs are no pictures.

    Returns:
        Those that they can take, and by name why they can't take the others.

    Raises:
        UsageError: If kinds are given and they can take none.
    """
    if not kinds:
        return (), {}
    if preprocessing is None:
        raise UsageError("corruptions are for pictures, and these inputs are none: leave out --corruptions")
    blank = np.full((1, *preprocessing.size, 1 if preprocessing.channels == "L" else 3), 0.5, np.float32)
    reasons: dict[str, str] = {}
    for kind in kinds:
        try:
            apply(kind, _SEVERITIES[0], blank, np.random.default_rng(0))
        except UsageError as error:
            reasons[kind] = str(error)
    if len(reasons) == len(kinds):
        raise UsageError(f"no corruption can be made: {next(iter(reasons.values()))}")
    return tuple(kind for kind in kinds if kind not in reasons), reasons


def corruption_curves(
    collector: Collector[Float],
    detectors: Sequence[str],
    ordinary: Sequence[str],
    kinds: Sequence[str],
    left_out: Mapping[str, str],
    seed: int,
) -> BenchCorruptions:
    """Measures all kinds and severities, batch by batch: nothing but scores is kept.

    Args:
        collector: Measures scores by `Scoring`.
        detectors: Names of the detectors, in the order of their scores.
        ordinary: Files, folders or globs of pictures.
        kinds: Corruptions that they can take.
        left_out: Corruptions that they can't take, and why.
        seed: Seed of resamples.

    Returns:
        The curves, the best detector first.
    """
    points = [(kind, severity) for kind in kinds for severity in _SEVERITIES]
    ways = {
        f"{kind} {severity}": Altering(
            # The same draws whatever kinds there are beside it.
            100 * (1 + CORRUPTIONS.index(kind)) + severity,
            partial(apply, kind, severity),
        )
        for kind, severity in points
    }
    found = collector.collect(ordinary, ways)
    scores = np.stack([found.altered[way] for way in ways], axis=-1)
    resampling = PairedResampling(len(found.ids), seed)
    figures = []
    for column, name in enumerate(detectors):
        samples = resampling.aurocs(found.evidence[:, column], scores[:, column])
        by_kind = samples.reshape(len(samples), len(kinds), len(_SEVERITIES))
        figures.append(
            CorruptionMetrics(
                detector=name,
                mean=BenchInterval.of(samples.mean(axis=1)),
                severities=tuple(
                    BenchInterval.of(by_kind[..., place].mean(axis=1)) for place in range(len(_SEVERITIES))
                ),
                curves=tuple(
                    CorruptionCurve(
                        corruption=kind,
                        aurocs=tuple(BenchInterval.of(one) for one in by_kind[:, place].T),
                    )
                    for place, kind in enumerate(kinds)
                ),
            )
        )
    notes = tuple(
        f"the model gives NaN or infinity for {count} of {len(found.ids)} pictures with {way}; "
        "they count as told from the others"
        for way, count in zip(ways, np.isnan(scores).any(axis=1).sum(axis=0).tolist(), strict=True)
        if count
    )
    return BenchCorruptions(
        inputs=len(found.ids),
        corruptions=tuple(kinds),
        left_out=dict(left_out),
        detectors=tuple(sorted(figures, key=lambda one: -one.mean.value)),
        notes=notes,
    )
