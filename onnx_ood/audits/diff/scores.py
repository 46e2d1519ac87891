"""Differences between two scores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from onnx_ood.audits.diff.metric_changes import one_sided
from onnx_ood.audits.diff.result import Agreement, InputChange, InputsDiff, MetricChange
from onnx_ood.audits.score.result import InputResult, ProbeResult, ScoreResult
from onnx_ood.metrics.estimates import fraction_interval, mean_interval
from onnx_ood.metrics.ranking import average_ranks, rank_correlation
from onnx_ood.results.base import Number, Prediction


def metrics_of_scores(a: ScoreResult, b: ScoreResult) -> Iterator[MetricChange]:
    """Compare detector scores and cosine drops, paired over the inputs of both.

    Args:
        a: The first score.
        b: The second score.
    """
    pairs = _pairs(a, b)
    names = [
        [one.name for one in result.detector_summary.detectors] if result.detector_summary else []
        for result in (a, b)
    ]
    for name in names[0]:
        if name in names[1]:
            before, after = (
                np.array([entry.scores[own.index(name)] for entry in entries], np.float64)
                for own, entries in zip(names, pairs, strict=True)
            )
            yield _paired(f"score {name}", before, after, after - before)
    probes = [[_place(probe) for probe in result.probes] for result in (a, b)]
    for place in probes[0]:
        if place in probes[1]:
            at = [own.index(place) for own in probes]
            floor = max(result.probes[one].noise_floor for result, one in zip((a, b), at, strict=True))
            drops = [
                np.maximum(np.array([entry.drop[one] for entry in entries], np.float64), floor)
                for one, entries in zip(at, pairs, strict=True)
            ]
            known = ~np.isnan(drops).any(axis=0)  # Not comparable in one of the runs.
            drops = [one[known] for one in drops]
            change = np.log10(drops[1] / drops[0])
            yield _paired(f"drop {place[0]}", drops[0], drops[1], change)


def _place(probe: ProbeResult) -> tuple[str, str, int, int]:
    """Return what the probes of one layer in two models have in common; a name alone can be shared by chance."""
    return probe.name, probe.op, probe.depth, probe.units


def _paired(
    name: str, a: NDArray[np.float64], b: NDArray[np.float64], change: NDArray[np.float64]
) -> MetricChange:
    found = mean_interval(change)
    return MetricChange(
        name=name,
        a=_number(np.median(a) if len(a) else np.nan),
        b=_number(np.median(b) if len(b) else np.nan),
        change=_number(found.value),
        low=_number(found.low),
        high=_number(found.high),
    )


def _pairs(a: ScoreResult, b: ScoreResult) -> tuple[list[InputResult], list[InputResult]]:
    """Pair the inputs of both, in the first's order; of inputs with one name, the last counts."""
    others = {entry.id: entry for entry in b.inputs}
    shared = {entry.id: entry for entry in a.inputs if entry.id in others}
    return list(shared.values()), [others[name] for name in shared]


def unshared_of_scores(a: ScoreResult, b: ScoreResult) -> tuple[tuple[str, ...], str]:
    """Detectors and probes in one of them only.

    Args:
        a: The first score.
        b: The second score.

    Returns:
        Their names, and a note on layers that two models do not share, or empty.
    """
    detectors = one_sided(
        *(
            [one.name for one in each.detector_summary.detectors] if each.detector_summary else []
            for each in (a, b)
        )
    )
    probes = [{probe.name: _place(probe) for probe in each.probes} for each in (a, b)]
    named = [name for name in probes[0] if name in probes[1]]
    moved = [name for name in named if probes[0][name] != probes[1][name]]
    if a.model.sha256 != b.model.sha256 and all(probes) and len(moved) == len(named):
        return detectors, "The models share no watched layers; compared by answers and scores only."
    note = f"Not compared, because op, depth or size differ between the models: {', '.join(moved)}."
    return (*detectors, *one_sided(*probes)), note if moved else ""


def inputs_of_scores(a: ScoreResult, b: ScoreResult) -> InputsDiff:
    """Compare the inputs of both.

    Args:
        a: The first score.
        b: The second score.
    """
    before, after = _pairs(a, b)
    scores = [np.array([_score(entry) for entry in entries], np.float64) for entries in (before, after)]
    # Ranks among the inputs of both: the ranks in each result count its other inputs, too.
    ranks = [average_ranks(-one) for one in scores]
    order = np.argsort(-np.abs(ranks[1] - ranks[0]), kind="stable") if before else np.empty(0, np.intp)
    answered = [
        (one.prediction, other.prediction)
        for one, other in zip(before, after, strict=True)
        if one.prediction and other.prediction
    ]
    flags = [(one.id, one.flagged, other.flagged) for one, other in zip(before, after, strict=True)]
    return InputsDiff(
        both=len(before),
        only_a=len({entry.id for entry in a.inputs}) - len(before),
        only_b=len({entry.id for entry in b.inputs}) - len(before),
        rank_correlation=_number(rank_correlation(*scores)),
        agreement=_agreement(answered),
        changed_answers=tuple(
            one.id
            for one, other in zip(before, after, strict=True)
            if one.prediction and other.prediction and not one.prediction.agrees(other.prediction)
        ),
        newly_flagged=tuple(name for name, one, other in flags if other and one is False),
        no_longer_flagged=tuple(name for name, one, other in flags if one and other is False),
        changes=tuple(
            _change(before[at], after[at], *(float(one[at]) for one in ranks)) for at in order.tolist()
        ),
    )


def _score(entry: InputResult) -> float:
    score = entry.scores[0] if entry.scores else entry.deviation
    return np.nan if score is None else score


def _agreement(answered: Sequence[tuple[Prediction, Prediction]]) -> Agreement | None:
    if not answered:
        return None
    same = sum(one.agrees(other) for one, other in answered)
    share, low, high = fraction_interval(same, len(answered))
    return Agreement(inputs=len(answered), share=share, low=low, high=high)


def _change(a: InputResult, b: InputResult, rank_a: float, rank_b: float) -> InputChange:
    answers = _answer(a.prediction), _answer(b.prediction)
    if a.prediction and b.prediction and a.prediction.agrees(b.prediction):
        # One of the models may have no class names.
        answers = (a.prediction.label or answers[1], b.prediction.label or answers[0])
    return InputChange(
        id=a.id,
        rank_a=rank_a,
        rank_b=rank_b,
        score_a=_number(_score(a)),
        score_b=_number(_score(b)),
        flagged_a=a.flagged,
        flagged_b=b.flagged,
        prediction_a=answers[0],
        prediction_b=answers[1],
    )


def _answer(prediction: Prediction | None) -> str | None:
    return None if prediction is None else prediction.label or f"#{prediction.index}"


def _number(value: float | np.float64) -> Number:
    return float(value) if np.isfinite(value) else None
