"""Which detectors suit a model, and why the others don't."""

from __future__ import annotations

from collections.abc import Sequence

from onnx_ood.detectors import Detector, ModelInfo, find_detector, find_feature_sources, list_detectors
from onnx_ood.evidence.references import ReferenceSet
from onnx_ood.exceptions import UsageError
from onnx_ood.graph import Model


def choose_detectors(model: Model, names: Sequence[str]) -> tuple[list[Detector], dict[str, str]]:
    """The detectors that apply to a model.

    Args:
        model: The model.
        names: Those that are asked for; empty for all.

    Returns:
        The detectors, and by name why others don't apply.

    Raises:
        UsageError: If one that was asked for is unknown or doesn't apply, or none does.
    """
    info = find_feature_sources(model).info
    wanted = [find_detector(name) for name in dict.fromkeys(names) or list_detectors()]
    reasons = {detector.name: detector.why_not(info) for detector in wanted}
    chosen = [detector for detector in wanted if reasons[detector.name] is None]
    not_applicable = {name: reason for name, reason in reasons.items() if reason is not None}
    if not_applicable and (names or not chosen):
        name, reason = next(iter(not_applicable.items()))
        raise UsageError(f"{name} doesn't apply to {model.path}: {reason}")
    return chosen, not_applicable


def learnable(
    detectors: Sequence[Detector],
    info: ModelInfo,
    known: ReferenceSet,
    not_applicable: dict[str, str],
    *,
    asked: bool,
) -> list[Detector]:
    """Those that don't lack references; the others are added to what doesn't apply.

    Args:
        detectors: Detectors that apply.
        info: The model.
        known: The references.
        not_applicable: Why detectors don't apply, by name.
        asked: Whether they were asked for by name.

    Returns:
        Those that can be fitted.

    Raises:
        UsageError: If one that was asked for lacks them, or all do.
    """
    lacking = [one for one in detectors if known.evidence is None and one.requires_reference(info)]
    reason = "it learns from references: give known-good inputs with --reference"
    if lacking and (asked or len(lacking) == len(detectors)):
        raise UsageError(f"{lacking[0].name} can't be measured: {reason}")
    not_applicable.update({one.name: reason for one in lacking})
    return [one for one in detectors if one not in lacking]
