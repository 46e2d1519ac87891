"""Choice of the detectors that apply to a model."""

from __future__ import annotations

from collections.abc import Sequence

from onnx_ood._dialect import named
from onnx_ood.detectors import (
    Detector,
    ModelInfo,
    find_detector,
    find_feature_sources,
    list_detectors,
    why_not,
    why_not_references,
)
from onnx_ood.evidence.references import ReferenceSet
from onnx_ood.exceptions import UsageError
from onnx_ood.graph import Model
from onnx_ood.runtime import Session


def choose_detectors(
    model: Model, names: Sequence[str], answer: str | None = None, *, batched: bool = True
) -> tuple[list[Detector], dict[str, str]]:
    """Choose the detectors that apply to a model.

    Args:
        model: The model.
        names: Names of detectors; empty for all.
        answer: Output of the model with class scores; None to find it.
        batched: False if the model takes one input without a batch axis.

    Returns:
        The detectors, and the reasons why others do not apply, by name.

    Raises:
        UsageError: If a named detector is unknown or does not apply, or none applies.
        ModelError: If onnxruntime refuses a model to which a named detector does not apply.
    """
    info = find_feature_sources(model, answer, batched=batched).info
    wanted = [find_detector(name) for name in dict.fromkeys(names) or list_detectors()]
    reasons = {detector.name: why_not(detector, info) for detector in wanted}
    chosen = [detector for detector in wanted if reasons[detector.name] is None]
    not_applicable = {name: reason for name, reason in reasons.items() if reason is not None}
    if not_applicable and (names or not chosen):
        # A model that cannot be loaded has a worse problem, which may be the cause.
        Session(model.proto, model.path, "cpu")
        name, reason = next(iter(not_applicable.items()))
        raise UsageError(f"detector {name} does not apply to {model.path}: {reason}")
    return chosen, not_applicable


def without_unlearned(
    detectors: Sequence[Detector],
    info: ModelInfo,
    references: ReferenceSet,
    *,
    named_detectors: bool,
) -> tuple[list[Detector], dict[str, str]]:
    """Leave out the detectors that require references if there are none, or others.

    Args:
        detectors: Detectors that apply.
        info: The model.
        references: The references.
        named_detectors: True if the user named the detectors.

    Returns:
        The detectors that can be fitted, and the reason for each other, by name.

    Raises:
        UsageError: If a detector that the user named lacks references, or all detectors do.
    """
    known = references.features
    # Kept in results, which are the same whoever asked.
    missing = "it requires references: known-good inputs"
    reasons = {
        one.name: reason
        for one in detectors
        if (
            reason := (missing if one.requires_reference(info) else None)
            if known is None
            else why_not_references(one, known)
        )
    }
    if reasons and (named_detectors or len(reasons) == len(detectors)):
        name, reason = next(iter(reasons.items()))
        if known is not None:
            raise UsageError(f"detector {name} cannot learn from these references: {reason}")
        raise UsageError(
            f"detector {name} requires references; give known-good inputs with {named('reference')}"
        )
    return [one for one in detectors if one.name not in reasons], reasons
