"""Differences between two sensitivity results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from onnx_ood.audits.diff.metric_changes import change_with_interval, change_without_interval
from onnx_ood.audits.diff.result import MetricChange
from onnx_ood.audits.sensitivity.result import MeanEstimate, ModelSensitivity, SensitivityResult

# Fields that a model's metrics depend on.
_DEPENDS_ON = {"model", "preprocessing", "site", "feeds", "provider", "classes"}


def paired_models(
    a: SensitivityResult, b: SensitivityResult
) -> list[tuple[ModelSensitivity, ModelSensitivity]]:
    """Pair models by path; if each result has one model left, pair these two.

    Args:
        a: The first result.
        b: The second result.
    """
    before, after = ({one.model.path: one for one in result.models} for result in (a, b))
    pairs = [(one, after[path]) for path, one in before.items() if path in after]
    left = [
        [one for path, one in own.items() if path not in others]
        for own, others in ((before, after), (after, before))
    ]
    if len(left[0]) == len(left[1]) == 1:
        pairs.append((left[0][0], left[1][0]))
    return pairs


def unpaired_models(a: SensitivityResult, b: SensitivityResult) -> tuple[str, ...]:
    """Paths of models without a counterpart.

    Args:
        a: The first result.
        b: The second result.
    """
    compared = {one.model.path for pair in paired_models(a, b) for one in pair}
    return tuple(one.model.path for one in (*a.models, *b.models) if one.model.path not in compared)


def facts_of_sensitivities(
    a: SensitivityResult, b: SensitivityResult
) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Facts of the compared models in each result, by the same names.

    Args:
        a: The first result.
        b: The second result.
    """
    facts: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
    for pair in paired_models(a, b):
        for own, one in zip(facts, pair, strict=True):
            own[_pair_name(*pair)] = one.model_dump(mode="json", include=_DEPENDS_ON)
    return facts


def metrics_of_sensitivities(a: SensitivityResult, b: SensitivityResult) -> Iterator[MetricChange]:
    """Compare Jacobian norms and transition densities.

    Args:
        a: The first result.
        b: The second result.
    """
    for one, other in paired_models(a, b):
        name = _pair_name(one, other)
        yield _change(f"Jacobian norm, {name}", one.jacobian.norm, other.jacobian.norm)
        others = {kind.type: kind for kind in other.trajectory_types}
        for kind in one.trajectory_types:
            if kind.type in others:
                yield _change(
                    f"transitions, {kind.type.replace('_', ' ')}, {name}",
                    kind.density,
                    others[kind.type].density,
                )


def _pair_name(one: ModelSensitivity, other: ModelSensitivity) -> str:
    return " / ".join(dict.fromkeys((one.model.path, other.model.path)))


def _change(name: str, a: MeanEstimate, b: MeanEstimate) -> MetricChange:
    if a.mean is None or b.mean is None or None in (a.low, a.high, b.low, b.high):
        return change_without_interval(name, a.mean, b.mean)
    return change_with_interval(name, (a.mean, a.low, a.high), (b.mean, b.low, b.high))
