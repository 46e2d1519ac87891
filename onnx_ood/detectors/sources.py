"""Search of a model for the tensors that detectors read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from onnx_ood.detectors.features import LinearHead, ModelInfo, RunningStatistics
from onnx_ood.graph import (
    Answer,
    LinearLayer,
    Model,
    find_answer,
    find_batch_norms,
    find_linear_layer,
    once_per_model,
    why_no_linear_layer,
    why_no_scores,
    why_not_measurable,
)

_SEVERAL_ROWS = "its scores are several rows for each input, without a batch axis"


@dataclass(frozen=True)
class FeatureSources:
    """Tensors of a model that features are read from.

    Attributes:
        info: Facts about the model.
        scores: Tensor of class scores; None if the model does not return a vector of them.
        features: Input of the linear head; None without a head, or if no tensor holds it (`averaged`).
        pooled: Feature map whose means those features are; None without one.
        norms: Inputs of the BatchNormalization nodes in `info.norms`.
        steps: Scale and zero point of each of these tensors that holds integers, by name.
        averaged: True if the features are the channel means of `pooled`, as of a layer before the pooling.
    """

    info: ModelInfo
    scores: str | None
    features: str | None
    pooled: str | None
    norms: tuple[str, ...]
    averaged: bool = False
    steps: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@once_per_model
def find_feature_sources(model: Model, answer: str | None = None, *, batched: bool = True) -> FeatureSources:
    """Find the tensors of a model that features are read from.

    Args:
        model: The model. Only the weights of its last linear layer and running statistics are read.
        answer: Output with class scores; None to find it.
        batched: False if the model takes one input without a batch axis, so that axis 0 of its scores is part of them.

    Returns:
        The tensors. Layers are the outputs of activation functions in the main graph; without any, of all operators
        with weights.
    """

    def readable(name: str | None) -> bool:
        return name in model.by_name and why_not_measurable(model, model.by_name[name]) is None

    found = find_answer(model, answer)
    # An output of neither a softmax nor a linear layer holds features of a truncated model, or a regression.
    scores = None if found is None else found.scores
    several = scores is not None and not batched and _holds_several_rows(model, scores.name)
    if several:
        scores = None
    head, no_head = _find_head(model, None if scores is None else found)
    pooled = head.pooled if head is not None and readable(head.pooled) else None
    steps = {} if scores is None or scores.step is None else {scores.name: scores.step}
    if head is not None and head.step is not None:
        steps[head.features] = head.step
    norms = [one for one in find_batch_norms(model) if readable(one.reads)]
    layers = [tensor.name for tensor in model.tensors if tensor.activation and readable(tensor.name)]
    if not layers:
        layers = [
            tensor.name
            for tensor in model.tensors
            if tensor.op in {"Conv", "Gemm", "MatMul"} and readable(tensor.name)
        ]
    info = ModelInfo(
        probabilities=None if scores is None else scores.probabilities,
        head=None if head is None else LinearHead(head.weight, head.bias, head.rectified),
        pooled=pooled is not None,
        norms=tuple(RunningStatistics(one.reads, one.mean, one.variance, one.epsilon) for one in norms),
        layers=tuple(layers),
        no_head=no_head,
        no_scores=_SEVERAL_ROWS
        if several
        else ""
        if scores is not None
        else why_no_scores(model, answer) or "",
    )
    return FeatureSources(
        info,
        None if scores is None else scores.name,
        None if head is None or head.averaged else head.features,
        pooled,
        tuple(one.reads for one in norms),
        head is not None and head.averaged,
        steps,
    )


def _find_head(model: Model, answer: Answer | None) -> tuple[LinearLayer | None, str]:
    """Return the linear layer of the class scores, or the reason why there is none."""
    if answer is None or answer.logits is None:
        return None, "the file does not hold its logits" if answer else "there are no class scores"
    head = find_linear_layer(model, answer.logits)
    if head is None:
        return None, why_no_linear_layer(model, answer.logits) or ""
    tensor = model.by_name.get(head.features)
    problem = "is not in the main graph" if tensor is None else why_not_measurable(model, tensor)
    if head.step is not None and not head.averaged:
        problem = None
    return (head, "") if problem is None else (None, f"its input {head.features!r} {problem}")


def _holds_several_rows(model: Model, name: str) -> bool:
    shape = model.by_name[name].shape
    return shape is not None and len([size for size in shape if size != 1]) > 1
