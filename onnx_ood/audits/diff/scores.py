"""Differences between two scores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from onnx_ood.audits.diff.metric_changes import change_without_interval, one_sided
from onnx_ood.audits.diff.result import Agreement, InputChange, InputsDiff, MetricChange
from onnx_ood.audits.score.result import InputResult, ProbeResult, ScoreResult, UsedDetector
from onnx_ood.metrics.estimates import fraction_interval, mean_interval
from onnx_ood.metrics.ranking import average_ranks, rank_correlation
from onnx_ood.results.base import Number, Prediction

# Settings of nudges that their draws depend on.
_DRAWS = ("recipe", "noise", "seed", "copies")


def metrics_of_scores(a: ScoreResult, b: ScoreResult) -> Iterator[MetricChange]:
    """Compare detector scores and cosine drops, paired over the inputs of both.

    Args:
        a: The first score.
        b: The second score.

    Yields:
        Changes of mean scores, and of geometric means of drops.
    """
    pairs = _pairs(a, b)
    if not pairs[0]:
        return
    differing = differing_detectors(a, b)
    for name in a.detectors:
        if name in b.detectors:
            before, after = (
                np.array([entry.scores[own.detectors.index(name)] for entry in entries], np.float64)
                for own, entries in zip((a, b), pairs, strict=True)
            )
            if reason := differing.get(name):
                yield change_without_interval(
                    f"score {name}",
                    _number(float(np.mean(before))),
                    _number(float(np.mean(after))),
                    not_comparable=reason,
                )
            else:
                yield _paired(f"score {name}", before, after)
    differing_nudges = _differing_nudges(a, b)
    probes = [[_place(probe) for probe in result.probes] for result in (a, b)]
    for place in probes[0]:
        if place in probes[1]:
            at = [own.index(place) for own in probes]
            floor = max(result.probes[one].noise_floor for result, one in zip((a, b), at, strict=True))
            before, after = (
                np.maximum(np.array([entry.drop[one] for entry in entries], np.float64), floor)
                for one, entries in zip(at, pairs, strict=True)
            )
            change = _paired(f"drop {place[0]}", before, after, log=True)
            yield (
                change_without_interval(
                    change.name,
                    change.a,
                    change.b,
                    not_comparable=f"their nudges are other draws: {differing_nudges}",
                )
                if differing_nudges
                else change
            )


def _differing_nudges(a: ScoreResult, b: ScoreResult) -> str:
    """Name the settings by which nudges were drawn that differ; those of another scale are the same draws.

    All inputs of a run share its nudges, so that an interval over inputs does not hold for other draws.
    """
    if a.nudges is None or b.nudges is None:
        return ""
    before, after = a.nudges.model_dump(), b.nudges.model_dump()
    return ", ".join(
        f"{name} {before[name]}, {after[name]}" for name in _DRAWS if before[name] != after[name]
    )


def _place(probe: ProbeResult) -> tuple[str, str, int, int]:
    """Return what the probes of one layer in two models have in common; a name alone can be shared by chance."""
    return probe.name, probe.op, probe.depth, probe.units


def _paired(name: str, a: NDArray[np.float64], b: NDArray[np.float64], *, log: bool = False) -> MetricChange:
    """Compare means over inputs; with `log` geometric means, and log10 of their ratio."""
    known = np.isfinite(b - a)  # Drops can be not comparable in one of the runs.
    before, after = (np.log10(one[known]) if log else one[known] for one in (a, b))
    found = mean_interval(after - before)
    means = [float(np.mean(one)) if len(one) else np.nan for one in (before, after)]
    return MetricChange(
        name=name,
        a=_number(10 ** means[0] if log else means[0]),
        b=_number(10 ** means[1] if log else means[1]),
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
        Their names, and a note on layers that are not compared, or empty.
    """
    detectors = one_sided(a.detectors, b.detectors)
    if (a.nudges is None) != (b.nudges is None):
        nudged, plain = ("b", "a") if a.nudges is None else ("a", "b")
        return detectors, f"{nudged} was nudged, {plain} was not: layers are not compared."
    probes = [{probe.name: _place(probe) for probe in each.probes} for each in (a, b)]
    named = [name for name in probes[0] if name in probes[1]]
    moved = [name for name in named if probes[0][name] != probes[1][name]]
    if a.model.sha256 != b.model.sha256 and all(probes) and len(moved) == len(named):
        return detectors, "The models share no watched layers; compared by answers and scores only."
    note = f"Not compared, because op, depth or size differ between the models: {', '.join(moved)}."
    return (*detectors, *one_sided(*probes)), note if moved else ""


def differing_detectors(a: ScoreResult, b: ScoreResult) -> dict[str, str]:
    """Detectors of both that combine other terms in one than in the other: their scores are of different quantities.

    Args:
        a: The first score.
        b: The second score.

    Returns:
        By name, the terms that one lacks, in words.
    """
    used = [
        {one.name: one for one in result.detector_summary.detectors} if result.detector_summary else {}
        for result in (a, b)
    ]
    found = {
        name: "; ".join(
            filter(None, (_lacking("a", used[0][name], used[1][name]), _lacking("b", used[1][name], one)))
        )
        for name, one in used[0].items()
        if name in used[1]
    }
    return {name: reason for name, reason in found.items() if reason}


def _lacking(which: str, one: UsedDetector, other: UsedDetector) -> str:
    """Name the terms that a detector lacks and the other one combines, with the reasons; empty if it has them all."""
    own = {term.name for term in one.terms}
    lacks = [term.name for term in other.terms if term.name not in own]
    lacks += [name for name in one.left_out if name not in {*other.left_out, *lacks}]
    if not lacks:
        return ""
    reasons = dict.fromkeys(one.left_out[name] for name in lacks if one.left_out.get(name))
    names = ", ".join(name.replace("_", " ") for name in lacks)
    why = f" ({'; '.join(reasons)})" if reasons else ""
    return f"{which} lacks its term{'s' * (len(lacks) > 1)} {names}{why}"


def comparability_notes(a: ScoreResult, b: ScoreResult) -> tuple[str, ...]:
    """Note scores and ranks that are of different quantities.

    Args:
        a: The first score.
        b: The second score.
    """
    ranking = [result.detectors[0] if result.detectors else "deviation" for result in (a, b)]
    notes = [
        f"Scores{' and ranks' if ranking == [name] * 2 else ''} of {name} are not comparable: {reason}."
        for name, reason in differing_detectors(a, b).items()
    ]
    if ranking[0] != ranking[1]:
        notes.append(f"Ranks are not comparable: {_differing_order(a, b)}.")
    return tuple(notes)


def no_shared_inputs(a: ScoreResult, b: ScoreResult) -> str:
    """Explain that no input is in both results: inputs are matched by name.

    Args:
        a: The first score.
        b: The second score.
    """
    names = (
        f"{which} has {one.inputs[0].id}" if one.inputs else f"{which} has no scored input"
        for which, one in (("a", a), ("b", b))
    )
    return f"Inputs are matched by name: {', '.join(names)}. Give both runs the same names, from the same folder."


def inputs_of_scores(a: ScoreResult, b: ScoreResult) -> InputsDiff:
    """Compare the inputs of both.

    Args:
        a: The first score.
        b: The second score.
    """
    before, after = _pairs(a, b)
    reason = _differing_order(a, b)
    scores = [np.array([_score(entry) for entry in entries], np.float64) for entries in (before, after)]
    # Ranks among the inputs of both: the ranks in each result count its other inputs, too.
    ranks = [average_ranks(-one) for one in scores]
    moved = np.zeros(len(before)) if reason else np.abs(ranks[1] - ranks[0])
    order = np.argsort(-moved, kind="stable")
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
        not_comparable=reason,
        rank_correlation=None if reason else _number(rank_correlation(*scores)),
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


def _differing_order(a: ScoreResult, b: ScoreResult) -> str:
    """Explain why the scores that rank the inputs are of different quantities; empty if they are not."""
    first, second = (result.detectors[0] if result.detectors else "deviation" for result in (a, b))
    if first != second:
        return f"a ranks by {first}, b by {second}"
    reason = differing_detectors(a, b).get(first, "")
    return f"both rank by {first}, but {reason}" if reason else ""


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
