"""Default probes of a model."""

from __future__ import annotations

from dataclasses import dataclass

from onnx_ood._arguments import checked
from onnx_ood.exceptions import ModelError
from onnx_ood.graph.catalogue.model import Model
from onnx_ood.graph.catalogue.tensors import Tensor
from onnx_ood.graph.select import measurable

# Probes suggested at most, by default.
DEFAULT_LIMIT = 12

# Operators with learned weights: the next best probes in a model without activations.
_WEIGHTED_OPS = frozenset(
    {"Conv", "ConvTranspose", "Gemm", "MatMul", "FusedConv", "FusedMatMul", "LSTM", "GRU", "RNN"}
)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A suggested probe.

    Attributes:
        tensor: The tensor.
        reason: The criterion, as a phrase for people.
    """

    tensor: Tensor
    reason: str


@checked
def suggest_probes(
    model: Model, limit: int = DEFAULT_LIMIT, site: Tensor | None = None
) -> tuple[Suggestion, ...]:
    """Suggest probes that cover the depth of a model at low cost.

    Activations come first: there units are active or not, and a nudge has just passed a nonlinearity. Of more than
    `limit`, an evenly spaced subset in execution order is taken, first and last included. If all activations are in
    control flow, results of operators with weights outside are added. In a model without activations, probes are
    results of operators with weights, or else any floating-point tensors.

    Args:
        model: The model.
        limit: Maximum number of probes, at least 1.
        site: The tensor to nudge; only tensors that depend on it are suggested.

    Returns:
        The suggestions in execution order.

    Raises:
        ModelError: If no tensor of the model can be measured.

    Examples:
        >>> from onnx_ood import load, models
        >>> model = load(models.path("fashion_cnn"))
        >>> [suggestion.tensor.name for suggestion in suggest_probes(model, limit=2)]
        ['/blocks/blocks.0/relu/Relu_output_0', '/blocks/blocks.4/relu/Relu_output_0']
    """
    everything = measurable(model, site)
    # Known dtypes first: after custom operators, for example quantized ones, a dtype may be unknown.
    found = [tensor for tensor in everything if tensor.floating] or list(everything)
    inner = [tensor for tensor in found if not tensor.output]
    # Tensors in a branch may be missing and those of a body are stacked, so activations outside control flow are
    # preferred.
    in_control_flow = {path for path, nested in model.nested_by_path.items() if nested.around}
    outside = [tensor for tensor in inner if tensor.name not in in_control_flow]
    weighted = [tensor for tensor in outside if tensor.op in _WEIGHTED_OPS]
    activations = [tensor for tensor in inner if tensor.activation]
    # No input takes all branches, but all inputs can be measured outside.
    either = {tensor.name for tensor in (*weighted, *activations)} if weighted and activations else ()
    choices = (
        ("activations", [tensor for tensor in outside if tensor.activation]),
        ("activations and weighted operators", [tensor for tensor in inner if tensor.name in either]),
        ("activations", activations),
        ("weighted operators", weighted),
        ("weighted operators", [tensor for tensor in inner if tensor.op in _WEIGHTED_OPS]),
        ("floating-point tensors", outside or inner or found),
    )
    kinds, candidates = next((choice for choice in choices if choice[1]), choices[-1])
    if not candidates:
        raise ModelError(
            f"{model.path}: no floating-point tensor depends on an input, so nothing can be measured"
        )
    count = len(candidates)
    if count <= limit:
        return tuple(Suggestion(tensor, f"all {count} {kinds}") for tensor in candidates)
    step = (count - 1) / max(limit - 1, 1)
    chosen = [round(i * step) for i in range(limit)] if limit > 1 else [count // 2]
    reason = f"{limit} of {count} {kinds}, spread evenly over the depth"
    return tuple(Suggestion(candidates[i], reason) for i in chosen)
