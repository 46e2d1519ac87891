"""Choice of the tensor to take the Jacobian of."""

from __future__ import annotations

from onnx_ood._dialect import named
from onnx_ood.exceptions import SelectorError, UsageError
from onnx_ood.graph import Model, Tensor, find_answer, select, why_not_measurable


def find_jacobian_probe(model: Model, probe: str | None, site: Tensor) -> Tensor | None:
    """Find the tensor to take the Jacobian of.

    Args:
        model: The model.
        probe: A selector of one tensor, whose Jacobian is taken as it is; None for the model's answer.
        site: The tensor that the derivative is taken with respect to.

    Returns:
        The tensor, or None for the model's answer; the `probe` of `JacobianProber`.

    Raises:
        SelectorError: If the selector matches no tensor that can be measured, or several.
    """
    if probe is None:
        return None
    target, *more = select(model, probe, site)
    if more:
        listed = ", ".join(tensor.name for tensor in (target, *more[:2])) + (", …" if len(more) > 2 else "")
        raise SelectorError(
            f"{probe!r} selects {len(more) + 1} tensors of {model.path} ({listed}); select one"
        )
    return target


def answer_tensor(model: Model, answer: str | None = None) -> Tensor:
    """Find the model's answer, or else the first output, that can be measured.

    Args:
        model: The model.
        answer: Output that is the answer; None to find it.

    Raises:
        UsageError: If there is none.
    """
    found = find_answer(model, answer)
    first = [] if found is None or found.output is None else [found.output]
    outputs = [name for name in dict.fromkeys([*first, *model.outputs]) if name in model.by_name]
    reasons = {name: why_not_measurable(model, model.by_name[name]) for name in outputs}
    chosen = next((name for name, reason in reasons.items() if reason is None), None)
    if chosen is None:
        listed = "; ".join(f"{name!r} {reason}" for name, reason in reasons.items())
        raise UsageError(
            f"{model.path}: no output has a Jacobian ({listed}); name a tensor with {named('probe')}"
        )
    return model.by_name[chosen]
