"""Which probes to take when the user names none."""

from __future__ import annotations

from dataclasses import dataclass

from onnx_ood.exceptions import ModelError
from onnx_ood.graph.catalogue.model import Model
from onnx_ood.graph.catalogue.tensors import Tensor
from onnx_ood.graph.select import measurable

DEFAULT_LIMIT = 12

# Operators that mix their inputs by learned weights: the next best places where there are no activations.
_WEIGHTED_OPS = frozenset(
    {"Conv", "ConvTranspose", "Gemm", "MatMul", "FusedConv", "FusedMatMul", "LSTM", "GRU", "RNN"}
)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A probe worth measuring.

    Attributes:
        tensor: The tensor.
        reason: Why it was chosen, as a phrase for people.
    """

    tensor: Tensor
    reason: str


def suggest_probes(
    model: Model, limit: int = DEFAULT_LIMIT, site: Tensor | None = None
) -> tuple[Suggestion, ...]:
    """Chooses probes that see the whole depth of a model at little cost.

    Activations are taken where there are any: there an on/off pattern has a meaning, and a nudge has just been
    through a nonlinearity. If there are more than `limit`, they are thinned evenly in execution order, first
    and last kept. A model without activations is measured at its weighted operators, or else anywhere.

    Args:
        model: The model.
        limit: At most this many probes, at least 1.
        site: The tensor that will be nudged: only what depends on it is suggested.

    Returns:
        The suggestions in execution order.

    Raises:
        ModelError: If nothing in the model can be measured.
    """
    everything = measurable(model, site)
    # What is known to hold floats goes first: behind custom operators, quantised ones say, a type may be unknown.
    found = [tensor for tensor in everything if tensor.floating] or list(everything)
    inner = [tensor for tensor in found if not tensor.output]
    # In a branch that isn't taken there is nothing to see, and a body's tensors come in stacks: where there are
    # activations outside control flow, those do.
    in_control_flow = {path for path, inside in model.nested_by_path.items() if inside.around}
    outside = [tensor for tensor in inner if tensor.name not in in_control_flow]
    choices = (
        ("activation", [tensor for tensor in outside if tensor.activation]),
        ("activation", [tensor for tensor in inner if tensor.activation]),
        ("weighted operator", [tensor for tensor in outside if tensor.op in _WEIGHTED_OPS]),
        ("weighted operator", [tensor for tensor in inner if tensor.op in _WEIGHTED_OPS]),
        ("floating-point tensor", outside or inner or found),
    )
    kind, candidates = next((choice for choice in choices if choice[1]), choices[-1])
    if not candidates:
        raise ModelError(
            f"{model.path}: no floating-point tensor depends on an input; there is nothing to measure"
        )
    count = len(candidates)
    if count <= limit:
        return tuple(Suggestion(tensor, f"all {count} {kind}s") for tensor in candidates)
    step = (count - 1) / max(limit - 1, 1)
    chosen = [round(i * step) for i in range(limit)] if limit > 1 else [count // 2]
    reason = f"{limit} of {count} {kind}s, spread evenly over the depth"
    return tuple(Suggestion(candidates[i], reason) for i in chosen)
