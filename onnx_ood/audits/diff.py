"""Comparing two stored results of one kind: what was set otherwise, and which figures moved beyond noise."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from onnx_ood.audits.bench_result import BenchInterval, BenchResult
from onnx_ood.audits.check_result import CheckResult
from onnx_ood.audits.diff_checks import facts_of_check, figures_of_gates, gates_that_end_otherwise
from onnx_ood.audits.diff_figures import apart
from onnx_ood.audits.diff_result import (
    Agreement,
    DiffResult,
    FigureChange,
    GateChange,
    InputChange,
    InputsDiff,
    SettingChange,
)
from onnx_ood.audits.score_result import InputResult, Number, Prediction, ScoreResult
from onnx_ood.audits.sensitivity_result import Estimate, ModelSensitivity, SensitivityResult
from onnx_ood.audits.stored import read_result
from onnx_ood.exceptions import UsageError
from onnx_ood.metrics.intervals import mean_interval, share_interval

# Facts of a result that are no figures: what has to be alike for figures to be comparable.
_FACTS = {
    "score": ("model", "nudges", "site", "feeds", "preprocessing", "verdict", "environment"),
    "bench": ("model", "preprocessing", "provider", "seed", "reference", "references", "environment"),
    "sensitivity": ("directions", "tolerance", "seed", "environment"),
}
_APART = (
    "Intervals of changes are made of those of both results as if their inputs were drawn apart: of the same inputs "
    "they are too wide, never too narrow."
)
_RUN = ("provider", "exact", "tf32")
# What a detector says of itself is not set by anybody.
_WORDS = ("formula", "source")


def diff(a: Path, b: Path) -> DiffResult:
    """Compares two results.

    Args:
        a: What `--json` wrote.
        b: The same of another run.

    Returns:
        The differences.

    Raises:
        UsageError: If a file can't be read, holds no result, or the results are of different kinds.
    """
    before, after = read_result(a), read_result(b)
    kind: Literal["score", "bench", "sensitivity", "check"]
    inputs = None
    gates: tuple[GateChange, ...] = ()
    notes: tuple[str, ...] = ()
    if isinstance(before, ScoreResult) and isinstance(after, ScoreResult):
        kind, figures = "score", list(_of_scores(before, after))
        inputs = _inputs(before, after)
        notes = (
            "Intervals are Student's, of the mean change over the inputs of both: they stand for other inputs "
            "like these.",
        )
        if any(len(one.inputs) < one.scored for one in (before, after)):
            notes += ("A result lists some of its inputs only; the others are not compared.",)
    elif isinstance(before, BenchResult) and isinstance(after, BenchResult):
        kind, figures = "bench", list(_of_benches(before, after))
        notes = (_APART,)
    elif isinstance(before, SensitivityResult) and isinstance(after, SensitivityResult):
        kind, figures = "sensitivity", list(_of_sensitivities(before, after))
        notes = ("Models are compared in the order of their paths.",)
        if len(before.models) != len(after.models):
            notes += (f"{abs(len(before.models) - len(after.models))} of them have no counterpart.",)
    elif isinstance(before, CheckResult) and isinstance(after, CheckResult):
        kind, figures = "check", list(figures_of_gates(before, after))
        gates = gates_that_end_otherwise(before, after)
        notes = ("Gates are the same where model and figure are.", _APART)
    else:
        raise UsageError(
            f"{a} and {b} can't be compared: they are {_name(before)} and {_name(after)}, and both have to be "
            "of score, bench, sensitivity or check"
        )
    return DiffResult(
        kind=kind,
        a=a.as_posix(),
        b=b.as_posix(),
        settings=tuple(_settings(_facts(before, after, kind), _facts(after, before, kind))),
        figures=tuple(figures),
        inputs=inputs,
        gates=gates,
        notes=notes,
    )


def _name(result: BaseModel) -> str:
    return str(type(result).model_fields["format"].default)


def _facts(result: BaseModel, other: BaseModel, kind: str) -> dict[str, str]:
    """Facts of one of two results by dotted name."""
    if isinstance(result, CheckResult) and isinstance(other, CheckResult):
        return dict(_flat(facts_of_check(result, other)))
    whole = result.model_dump(mode="json", include=set(_FACTS[kind]))
    if isinstance(result, ScoreResult):
        whole["run"] = result.run.model_dump(mode="json", include=set(_RUN))
    if isinstance(result, SensitivityResult):
        whole["models"] = [one.model.model_dump(mode="json") for one in _by_path(result)]
    return dict(_flat(whole))


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value, start=1)
        for key, one in items:
            if key not in _WORDS:
                yield from _flat(one, f"{name}.{key}" if name else str(key))
    elif value is not None:
        yield name, value if isinstance(value, str) else json.dumps(value)


def _settings(a: Mapping[str, str], b: Mapping[str, str]) -> Iterator[SettingChange]:
    for name in dict.fromkeys([*a, *b]):
        if a.get(name) != b.get(name):
            yield SettingChange(name=name, a=a.get(name, ""), b=b.get(name, ""))


def _of_scores(a: ScoreResult, b: ScoreResult) -> Iterator[FigureChange]:
    """Changes of detectors' scores and of cosine drops, over the inputs of both."""
    pairs = _pairs(a, b)
    names = [[one.name for one in result.verdict.detectors] if result.verdict else [] for result in (a, b)]
    for name in names[0]:
        if name in names[1]:
            before, after = (
                np.array([entry.scores[own.index(name)] for entry in entries], np.float64)
                for own, entries in zip(names, pairs, strict=True)
            )
            yield _paired(f"score {name}", before, after, after - before)
    probes = [[probe.name for probe in result.probes] for result in (a, b)]
    for name in probes[0]:
        if name in probes[1]:
            places = [own.index(name) for own in probes]
            floor = max(result.probes[at].noise_floor for result, at in zip((a, b), places, strict=True))
            drops = [
                np.maximum(np.array([entry.drop[at] for entry in entries], np.float64), floor)
                for at, entries in zip(places, pairs, strict=True)
            ]
            change = np.log10(drops[1] / drops[0])
            yield _paired(f"drop {name}", drops[0], drops[1], change)


def _paired(
    name: str, a: NDArray[np.float64], b: NDArray[np.float64], change: NDArray[np.float64]
) -> FigureChange:
    found = mean_interval(change)
    return FigureChange(
        name=name,
        a=_number(np.median(a) if len(a) else np.nan),
        b=_number(np.median(b) if len(b) else np.nan),
        change=_number(found.mean),
        low=_number(found.low),
        high=_number(found.high),
    )


def _pairs(a: ScoreResult, b: ScoreResult) -> tuple[list[InputResult], list[InputResult]]:
    """The inputs of both, in the order of the first. Of a name that comes twice the last counts."""
    others = {entry.id: entry for entry in b.inputs}
    shared = {entry.id: entry for entry in a.inputs if entry.id in others}
    return list(shared.values()), [others[name] for name in shared]


def _inputs(a: ScoreResult, b: ScoreResult) -> InputsDiff:
    before, after = _pairs(a, b)
    scores = [np.array([_score(entry) for entry in entries], np.float64) for entries in (before, after)]
    # Ranks among the inputs of both: a rank of each result counts other inputs, too.
    ranks = [_ranks(-one) for one in scores]
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
        rank_correlation=_correlation(*ranks),
        agreement=_agreement(answered),
        newly_flagged=tuple(name for name, one, other in flags if other and one is False),
        no_longer_flagged=tuple(name for name, one, other in flags if one and other is False),
        changes=tuple(
            _change(before[at], after[at], *(float(one[at]) for one in ranks)) for at in order.tolist()
        ),
    )


def _score(entry: InputResult) -> float:
    score = entry.scores[0] if entry.scores else entry.strangeness
    return np.nan if score is None else score


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from 1, equal values sharing the mean of theirs; [n]."""
    ordered = np.sort(values)
    left = np.searchsorted(ordered, values, side="left")
    right = np.searchsorted(ordered, values, side="right")
    ranks: NDArray[np.float64] = (left + right + 1) / 2
    return ranks


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> Number:
    if len(a) < 2 or not (np.ptp(a) > 0 and np.ptp(b) > 0):
        return None
    return _number(np.corrcoef(a, b)[0, 1])


def _agreement(answered: Sequence[tuple[Prediction, Prediction]]) -> Agreement | None:
    if not answered:
        return None
    same = sum(one.index == other.index for one, other in answered)
    low, high = share_interval(same, len(answered))
    return Agreement(inputs=len(answered), share=same / len(answered), low=low, high=high)


def _change(a: InputResult, b: InputResult, rank_a: float, rank_b: float) -> InputChange:
    answers = _answer(a.prediction), _answer(b.prediction)
    if a.prediction and b.prediction and a.prediction.index == b.prediction.index:
        # One of the models may have no names for its classes.
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


def _of_benches(a: BenchResult, b: BenchResult) -> Iterator[FigureChange]:
    others = {one.name: one for one in b.detectors}
    for one in a.detectors:
        if one.name not in others:
            continue
        other = others[one.name]
        yield apart(f"AUROC {one.name}, mean", _ends(one.macro), _ends(other.macro))
        sets = {figure.set: figure.auroc for figure in other.figures}
        for figure in one.figures:
            if figure.set in sets:
                yield apart(f"AUROC {one.name}, {figure.set}", _ends(figure.auroc), _ends(sets[figure.set]))


def _ends(one: BenchInterval) -> tuple[float, float, float]:
    return one.value, one.low, one.high


def _of_sensitivities(a: SensitivityResult, b: SensitivityResult) -> Iterator[FigureChange]:
    for one, other in zip(_by_path(a), _by_path(b), strict=False):
        pair = (
            one.model.path if one.model.path == other.model.path else f"{one.model.path} / {other.model.path}"
        )
        yield from _estimates(f"Jacobian norm, {pair}", one.jacobian.norm, other.jacobian.norm)
        kinds = {kind.kind: kind for kind in other.kinds}
        for kind in one.kinds:
            if kind.kind in kinds:
                yield from _estimates(
                    f"transitions, {kind.kind}, {pair}", kind.density, kinds[kind.kind].density
                )


def _by_path(result: SensitivityResult) -> list[ModelSensitivity]:
    return sorted(result.models, key=lambda one: one.model.path)


def _estimates(name: str, a: Estimate, b: Estimate) -> Iterator[FigureChange]:
    if None in (a.mean, a.low, a.high, b.mean, b.low, b.high):
        change = None if a.mean is None or b.mean is None else b.mean - a.mean
        yield FigureChange(name=name, a=a.mean, b=b.mean, change=change, low=None, high=None)
        return
    before, after = ((one.mean or 0, one.low or 0, one.high or 0) for one in (a, b))
    yield apart(name, before, after)


def _number(value: float | np.floating[Any]) -> Number:
    return float(value) if np.isfinite(value) else None
