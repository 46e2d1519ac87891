"""Comparing two stored results of one kind: what was set otherwise, and which figures moved beyond noise."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from onnx_ood.audits.bench.result import BenchResult
from onnx_ood.audits.check.result import CheckResult
from onnx_ood.audits.diff.benches import figures_of_benches, unshared_of_benches
from onnx_ood.audits.diff.checks import facts_of_check, figures_of_gates, gates_that_end_otherwise
from onnx_ood.audits.diff.result import DiffResult, GateChange, SettingChange
from onnx_ood.audits.diff.scores import figures_of_scores, inputs_of_scores, unshared_of_scores
from onnx_ood.audits.diff.sensitivities import (
    facts_of_sensitivities,
    figures_of_sensitivities,
    unpaired_models,
)
from onnx_ood.audits.score.result import ScoreResult
from onnx_ood.audits.sensitivity.result import SensitivityResult
from onnx_ood.exceptions import UsageError
from onnx_ood.results.registry import read_result

# Facts of a result that are no figures: what has to be alike for figures to be comparable.
_FACTS = {
    "score": ("model", "nudges", "site", "feeds", "preprocessing", "verdict", "environment"),
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
    unshared: tuple[str, ...] = ()
    if isinstance(before, ScoreResult) and isinstance(after, ScoreResult):
        kind, figures = "score", list(figures_of_scores(before, after))
        inputs = inputs_of_scores(before, after)
        notes = (
            "Intervals are Student's, of the mean change over the inputs of both: they stand for other inputs "
            "like these.",
        )
        unshared = unshared_of_scores(before, after)
        if any(len(one.inputs) < one.scored for one in (before, after)):
            notes += ("A result lists some of its inputs only; the others are not compared.",)
    elif isinstance(before, BenchResult) and isinstance(after, BenchResult):
        kind, figures = "bench", list(figures_of_benches(before, after))
        unshared, notes = unshared_of_benches(before, after), (_APART,)
    elif isinstance(before, SensitivityResult) and isinstance(after, SensitivityResult):
        kind, figures = "sensitivity", list(figures_of_sensitivities(before, after))
        unshared, notes = unpaired_models(before, after), (_APART,)
    elif isinstance(before, CheckResult) and isinstance(after, CheckResult):
        kind, figures = "check", list(figures_of_gates(before, after))
        gates = gates_that_end_otherwise(before, after)
        notes = ("Gates are the same where model and figure are.", _APART)
    else:
        raise UsageError(
            f"{a} and {b} can't be compared: they are {_name(before)} and {_name(after)}, and both have to be "
            "of score, bench, sensitivity or check"
        )
    if unshared:
        notes += (f"Not compared, because only one of them has it: {', '.join(unshared)}.",)
    return DiffResult(
        kind=kind,
        a=a.as_posix(),
        b=b.as_posix(),
        settings=tuple(_settings(*_facts(before, after, kind))),
        figures=tuple(figures),
        inputs=inputs,
        gates=gates,
        notes=notes,
    )


def _name(result: BaseModel) -> str:
    return str(type(result).model_fields["format"].default)


def _facts(a: BaseModel, b: BaseModel, kind: str) -> tuple[dict[str, str], dict[str, str]]:
    """Facts of two results by dotted name."""
    if isinstance(a, CheckResult) and isinstance(b, CheckResult):
        return dict(_flat(facts_of_check(a, b))), dict(_flat(facts_of_check(b, a)))
    facts = [result.model_dump(mode="json", include=set(_FACTS[kind])) for result in (a, b)]
    if isinstance(a, ScoreResult) and isinstance(b, ScoreResult):
        for whole, result in zip(facts, (a, b), strict=True):
            whole["run"] = result.run.model_dump(mode="json", include=set(_RUN))
    if isinstance(a, SensitivityResult) and isinstance(b, SensitivityResult):
        for whole, models in zip(facts, facts_of_sensitivities(a, b), strict=True):
            whole["models"] = models
    return dict(_flat(facts[0])), dict(_flat(facts[1]))


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
