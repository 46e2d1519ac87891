"""The diff audit: changed settings, and metrics that changed beyond noise, between two results of one audit."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from onnx_ood._arguments import checked
from onnx_ood.audits.bench.result import BenchResult
from onnx_ood.audits.check.result import CheckResult
from onnx_ood.audits.diff.benches import metrics_of_benches, notes_of_benches, unshared_of_benches
from onnx_ood.audits.diff.checks import (
    changed_gates,
    facts_of_check,
    metrics_of_checks,
    notes_of_checks,
    shared_gates,
)
from onnx_ood.audits.diff.result import DiffResult, GateChange, SettingChange
from onnx_ood.audits.diff.scores import (
    comparability_notes,
    inputs_of_scores,
    metrics_of_scores,
    no_shared_inputs,
    unshared_of_scores,
)
from onnx_ood.audits.diff.sensitivities import (
    facts_of_sensitivities,
    metrics_of_sensitivities,
    unpaired_models,
)
from onnx_ood.audits.score.result import ScoreResult
from onnx_ood.audits.sensitivity.result import SensitivityResult
from onnx_ood.evidence.model_notes import randomness_notes
from onnx_ood.exceptions import UsageError
from onnx_ood.results.registry import read_result

# Facts of a result that must be the same for its metrics to be comparable.
_FACTS = {
    "score": ("model", "nudges", "site", "feeds", "preprocessing", "detector_summary", "environment"),
    "bench": (
        "model",
        "preprocessing",
        "limit",
        "provider",
        "seed",
        "reference",
        "references",
        "environment",
    ),
    "sensitivity": ("directions", "tolerance", "seed", "environment"),
}
_INDEPENDENT = (
    "Intervals of changes assume independent inputs; for the same inputs they are too wide, never too narrow."
)
_PAIRED = "Intervals are Student's, for the mean change over the inputs of both; they hold for other inputs like these."
_RUN = ("provider", "exact", "tf32")
# Texts and measured values of detectors, not settings.
_NOT_SETTINGS = ("formula", "largest_reference", "layers", "left_out", "source", "terms")


@checked
def diff(a: str | Path | BaseModel, b: str | Path | BaseModel) -> DiffResult:
    """Compare two results of the same audit: score, bench, sensitivity or check.

    Args:
        a: The first result, or the JSON file it is stored in.
        b: The second result, or its file.

    Returns:
        The differences; status `not_evaluated` if the results have nothing in common to compare.

    Raises:
        UsageError: If a file cannot be read or holds no result, or the results are not of the same audit.
    """
    before, after = (one if isinstance(one, BaseModel) else read_result(Path(one)) for one in (a, b))
    audit: Literal["score", "bench", "sensitivity", "check"]
    inputs = None
    gates: tuple[GateChange, ...] = ()
    notes: tuple[str, ...] = ()
    unshared: tuple[str, ...] = ()
    evaluated = True
    if isinstance(before, ScoreResult) and isinstance(after, ScoreResult):
        audit, metrics = "score", list(metrics_of_scores(before, after))
        inputs = inputs_of_scores(before, after)
        evaluated = inputs.both > 0
        notes = comparability_notes(before, after) if evaluated else (no_shared_inputs(before, after),)
        if any(len(one.inputs) < one.scored for one in (before, after)):
            notes += ("A result lists only some of its inputs; the others are not compared.",)
        if evaluated:
            notes += randomness_notes(
                tuple(dict.fromkeys([*before.run.random_operators, *after.run.random_operators]))
            )
            unshared, layers = unshared_of_scores(before, after)
            notes += (layers,) if layers else ()
            notes += (_PAIRED,) if any(one.low is not None for one in metrics) else ()
    elif isinstance(before, BenchResult) and isinstance(after, BenchResult):
        audit, metrics = "bench", list(metrics_of_benches(before, after))
        unshared = unshared_of_benches(before, after)
        notes = (*notes_of_benches(before, after), _INDEPENDENT)
        evaluated = bool(metrics)
    elif isinstance(before, SensitivityResult) and isinstance(after, SensitivityResult):
        audit, metrics = "sensitivity", list(metrics_of_sensitivities(before, after))
        unshared, notes = unpaired_models(before, after), (_INDEPENDENT,)
        evaluated = bool(metrics)
    elif isinstance(before, CheckResult) and isinstance(after, CheckResult):
        audit, metrics = "check", list(metrics_of_checks(before, after))
        gates = changed_gates(before, after)
        evaluated = bool(shared_gates(before, after))
        notes = (
            *notes_of_checks(before, after),
            "Gates are matched by model, metric, target and set.",
            _INDEPENDENT,
        )
    else:
        names = [_file(one) or label for one, label in ((a, "a"), (b, "b"))]
        raise UsageError(
            f"cannot compare {names[0]} ({_schema(before)}) with {names[1]} ({_schema(after)}); give two results of "
            "score, bench, sensitivity or check"
        )
    if unshared:
        notes += (f"Not compared, because only one result has it: {', '.join(unshared)}.",)
    return DiffResult(
        audit=audit,
        status="compared" if evaluated else "not_evaluated",
        a=_file(a),
        b=_file(b),
        settings=tuple(_settings(*_facts(before, after, audit))),
        metrics=tuple(metrics),
        inputs=inputs,
        gates=gates,
        notes=notes,
    )


def _file(given: str | Path | BaseModel) -> str:
    return "" if isinstance(given, BaseModel) else Path(given).as_posix()


def _schema(result: BaseModel) -> str:
    field = type(result).model_fields.get("format")
    return type(result).__name__ if field is None else str(field.default)


def _facts(a: BaseModel, b: BaseModel, audit: str) -> tuple[dict[str, str], dict[str, str]]:
    """Facts of two results by dotted name."""
    if isinstance(a, CheckResult) and isinstance(b, CheckResult):
        return dict(_flat(facts_of_check(a, b))), dict(_flat(facts_of_check(b, a)))
    facts = [result.model_dump(mode="json", include=set(_FACTS[audit])) for result in (a, b)]
    if isinstance(a, ScoreResult) and isinstance(b, ScoreResult):
        for whole, result in zip(facts, (a, b), strict=True):
            whole["run"] = result.run.model_dump(mode="json", include=set(_RUN))
            # Nudges have it, too; not all runs nudge.
            whole["seed"] = result.settings.seed
            (whole["nudges"] or {}).pop("seed", None)
    if isinstance(a, SensitivityResult) and isinstance(b, SensitivityResult):
        for whole, models in zip(facts, facts_of_sensitivities(a, b), strict=True):
            whole["models"] = models
    return dict(_flat(facts[0])), dict(_flat(facts[1]))


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value, start=1)
        for key, one in items:
            if key not in _NOT_SETTINGS:
                yield from _flat(one, f"{name}.{key}" if name else str(key))
    elif value is not None:
        yield name, value if isinstance(value, str) else json.dumps(value)


def _settings(a: Mapping[str, str], b: Mapping[str, str]) -> Iterator[SettingChange]:
    for name in dict.fromkeys([*a, *b]):
        if a.get(name) != b.get(name):
            yield SettingChange(name=name, a=a.get(name, ""), b=b.get(name, ""))
