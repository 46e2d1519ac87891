"""Selectors: the grammar for naming tensors.

| selector | selects |
|---|---|
| an exact name | that tensor |
| a glob, `/layer3/*` | every matching name (`*` also crosses `/`) |
| `op:Relu` | all results of Relu operators; the type may be a glob, `op:*Relu` |
| `op:Conv[-3]` | the third-last Conv in execution order |
| `op:Relu[::4]` | every fourth Relu |
| `outputs` | the model's outputs |
| `all` | all tensors that can be measured |

An exact name takes precedence, so a tensor called `all` can be selected. Other selectors match only tensors that can be
measured: floating-point results of nodes that depend on a graph input, or on the site if one is given.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase

from onnx_ood._arguments import checked
from onnx_ood.exceptions import SelectorError
from onnx_ood.graph.catalogue.model import Model
from onnx_ood.graph.catalogue.nested import reached_from
from onnx_ood.graph.catalogue.tensors import Tensor

# Element types of quantized values.
_QUANTIZED_DTYPES = frozenset({"int4", "uint4", "int8", "uint8", "int16", "uint16"})
_OP = re.compile(r"op:(?P<type>[^\[\]]+)(?:\[(?P<at>[^\[\]]*)\])?")
_INDEX = re.compile(r"-?\d+")
_SLICE = re.compile(r"(-?\d+)?:(-?\d+)?(?::(-?\d+)?)?")


@checked
def select(model: Model, selectors: str | Iterable[str], site: Tensor | None = None) -> tuple[Tensor, ...]:
    """Select tensors that can be measured.

    A selector is an exact name, a glob (`/layer3/*`), an operator type (`op:Relu`, `op:*Relu`) with an optional index
    or slice in execution order (`op:Conv[-3]`, `op:Relu[::4]`), `outputs` or `all`.

    Args:
        model: The model.
        selectors: One selector or several.
        site: The tensor to nudge; tensors that do not depend on it cannot be measured.

    Returns:
        The tensors that match any of the selectors, each once, in execution order. Tensors of unknown dtype (after a
        custom operator, for example) are included; the runtime determines whether they can be measured.

    Raises:
        SelectorError: If a selector is malformed, matches nothing (the message lists similar names), or names a tensor
            that cannot be measured.

    Examples:
        >>> from onnx_ood import load, models
        >>> model = load(models.path("fashion_cnn"))
        >>> [tensor.name for tensor in select(model, "op:Relu[:2]")]
        ['/blocks/blocks.0/relu/Relu_output_0', '/blocks/blocks.1/relu/Relu_output_0']
    """
    selectors = [selectors] if isinstance(selectors, str) else list(selectors)
    if not selectors:
        raise SelectorError("no probe given; use a tensor name, a glob, op:TYPE, outputs or all")
    known = {tensor.name: tensor for tensor in model.all_tensors}
    candidates = measurable(model, site)
    allowed = {tensor.name for tensor in candidates}

    def refusal(tensor: Tensor) -> str | None:
        if tensor.name in allowed:
            return None
        independent = (
            f"does not depend on the site {site.name!r}, so a nudge there cannot change it" if site else None
        )
        return why_not_measurable(model, tensor) or independent

    chosen: set[str] = set()
    for selector in selectors:
        found = matching(selector, known, candidates, refusal, model.path.name)
        chosen.update(tensor.name for tensor in found)
    return tuple(tensor for tensor in model.all_tensors if tensor.name in chosen)


def why_not_measurable(model: Model, tensor: Tensor) -> str | None:
    """Explain why a tensor cannot be a probe; None if it can.

    Args:
        model: The model.
        tensor: One of its tensors. An unknown dtype is accepted.
    """
    if tensor.is_input:
        return "is an input of the model, which can be a site but not a probe"
    if tensor.constant:
        return "does not depend on any input, so a nudge cannot change it"
    if tensor.dtype is not None and not tensor.floating:
        return not_floating(model, tensor.name, tensor.dtype)
    return model.output_plans.refusal(tensor.name)


def not_floating(model: Model, name: str, dtype: str) -> str:
    """Explain why a tensor of another dtype cannot be a probe, with an alternative if quantized.

    Args:
        model: The model.
        name: The tensor.
        dtype: Its dtype, not a floating-point one.
    """
    reason = f"holds {dtype} values; only floating-point tensors can be measured"
    if dtype not in _QUANTIZED_DTYPES:
        return reason
    if name in model.dequantized:
        return f"{reason}; use {model.dequantized[name]!r}, its dequantized values"
    return f"{reason}, and no DequantizeLinear reads it"


@checked
def measurable(model: Model, site: Tensor | None = None) -> tuple[Tensor, ...]:
    """List all tensors that can be probes, in execution order and at any depth.

    Args:
        model: The model.
        site: The tensor to nudge; tensors that do not depend on it are left out.
    """
    candidates = tuple(tensor for tensor in model.all_tensors if why_not_measurable(model, tensor) is None)
    if site is None or (site.is_input and len(model.inputs) == 1):
        return candidates
    reached = reached_from(model.proto, site.name)
    return tuple(tensor for tensor in candidates if tensor.name in reached)


def matching(
    selector: str,
    by_name: Mapping[str, Tensor],
    candidates: Sequence[Tensor],
    refusal: Callable[[Tensor], str | None],
    file: str,
) -> Sequence[Tensor]:
    """Resolve one selector.

    Args:
        selector: The selector.
        by_name: Tensors that an exact name can select.
        candidates: Tensors that other selectors can select, in execution order.
        refusal: Returns the reason why an exactly named tensor is not allowed, None if it is.
        file: The model's name, for messages.

    Returns:
        The tensors, at least one.

    Raises:
        SelectorError: If the selector is malformed, matches nothing, or names a tensor that is not allowed.
    """
    named = by_name.get(selector)
    if named is not None:
        reason = refusal(named)
        if reason:
            raise SelectorError(f"tensor {selector!r} {reason}")
        return [named]
    if selector == "all":
        found: Sequence[Tensor] = candidates
    elif selector == "outputs":
        found = [tensor for tensor in candidates if tensor.output]
    elif selector.startswith("op:"):
        found = _by_operator(candidates, selector)
    else:
        found = [tensor for tensor in candidates if fnmatchcase(tensor.name, selector)]
    if not found:
        raise SelectorError(
            _why_none(by_name, refusal, selector) or _nothing_matches(file, candidates, selector)
        )
    return found


def _by_operator(candidates: Sequence[Tensor], selector: str) -> Sequence[Tensor]:
    parsed = _OP.fullmatch(selector)
    if parsed is None:
        raise SelectorError(f"selector {selector!r} is malformed: write op:TYPE, op:TYPE[-3] or op:TYPE[::4]")
    found = [tensor for tensor in candidates if fnmatchcase(tensor.op, parsed["type"])]
    at = parsed["at"]
    if at is None or not found:
        return found
    if _INDEX.fullmatch(at):
        index = int(at)
        if not -len(found) <= index < len(found):
            raise SelectorError(
                f"selector {selector!r} is out of range: the model has {len(found)} of op:{parsed['type']}"
            )
        return [found[index]]
    bounds = _SLICE.fullmatch(at)
    if bounds is None or (bounds[3] is not None and int(bounds[3]) == 0):
        raise SelectorError(
            f"selector {selector!r} is malformed: put an index or start:stop:step in the brackets"
        )
    return found[slice(*(None if bound is None else int(bound) for bound in bounds.groups()))]


def _why_none(
    by_name: Mapping[str, Tensor], refusal: Callable[[Tensor], str | None], selector: str
) -> str | None:
    """Explain why results of an operator that the model has are not among the candidates; None if it has none."""
    parsed = _OP.fullmatch(selector)
    if parsed is None:
        return None
    for tensor in by_name.values():
        reason = refusal(tensor) if fnmatchcase(tensor.op, parsed["type"]) else None
        if reason:
            return f"selector {selector!r} matches no tensor that can be chosen: {tensor.name!r} {reason}"
    return None


def _nothing_matches(file: str, candidates: Sequence[Tensor], selector: str) -> str:
    if selector.startswith("op:"):
        known = sorted({f"op:{tensor.op}" for tensor in candidates})
        near = get_close_matches(selector.partition("[")[0], known, n=3, cutoff=0.4) or known[:8]
    else:
        names = [tensor.name for tensor in candidates]
        near = get_close_matches(selector, names, n=3, cutoff=0.4)
        part = selector.strip("*?/").casefold()
        near += [name for name in names if part and part in name.casefold() and name not in near][:3]
        near = near or names[:3]
    hint = f"nearest: {', '.join(near)}" if near else "the model has no tensor that can be measured"
    return f"selector {selector!r} matches no tensor of {file}; {hint}"
