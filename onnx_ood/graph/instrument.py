"""Instrumenting a model: any of its tensors can be watched and nudged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from onnx import ModelProto, TypeProto

from onnx_ood._arguments import checked
from onnx_ood.exceptions import SelectorError
from onnx_ood.graph.catalogue.model import Model, load
from onnx_ood.graph.catalogue.tensors import Tensor
from onnx_ood.graph.catalogue.type_protos import kind_of
from onnx_ood.graph.select import matching
from onnx_ood.graph.sites import nudgeable, why_no_nudge_input, why_not_nudged
from onnx_ood.graph.surface.optional import MIN_OPSET as MIN_OPSET_OPTIONALS
from onnx_ood.graph.surface.optional import as_optionals
from onnx_ood.graph.surface.prune import prune as remove_unneeded
from onnx_ood.graph.surface.rewrite import rewrite
from onnx_ood.graph.surface.saving import save


@dataclass(frozen=True)
class Instrumented:
    """A model with further outputs, and inputs for nudges. Made by `instrument`.

    Attributes:
        model: The rewritten model, external data not loaded.
        outputs: Graph output of each watched tensor, by the tensor's name or scoped path. Several tensors may share
            one: the result of a function is also the result of its call.
        inputs: Graph input added for each site, by the site's name or scoped path. Values fed there are added to the
            site; they have the site's rank and broadcast to it. The default is −0, which leaves every bit unchanged;
            in models of IR version 3 and older the input has to be fed.
        refused: Reasons why tensors matched by a pattern cannot be watched, by name. (An exact name raises instead.)
        untyped: Added outputs of unknown type, or of unknown rank with operators older than version 15 (with newer ones
            they are optional values), and added inputs of unknown rank. onnxruntime loads such a model;
            `onnx.checker` rejects it.
        source: The file of the original model.
    """

    model: ModelProto
    outputs: Mapping[str, str]
    inputs: Mapping[str, str]
    refused: Mapping[str, str]
    untyped: tuple[str, ...]
    source: Path

    @checked
    def save(self, path: str | Path, *, embed: bool = False) -> None:
        """Write the model to a file atomically.

        External data files stay in place and are neither copied nor read, unless `embed` is set.

        Args:
            path: The file to write, in the folder of the external data files (links resolved) or above it.
            embed: Put external weights into the file, which then can be anywhere.

        Raises:
            OutputError: If the file cannot be written or cannot refer to its data files, or is the source model.
            ModelError: If the file would exceed 2 GiB.
        """
        save(self.model, self.source, Path(path), embed=embed)


@checked
def instrument(
    model: str | Path | Model,
    *,
    probes: str | Iterable[str],
    sites: str | Iterable[str] = (),
    keep_outputs: bool = True,
    prune: bool = False,
) -> Instrumented:
    """Copy a model with any of its tensors as further outputs, and inputs for nudges.

    Selectors are those of `select`, applied to tensors of every dtype, at any depth. Patterns and `all` leave out
    constants and inputs; an exact name may also be an input, a constant or an initializer.

    Args:
        model: A model file, or a model from `load`. It is not changed.
        probes: One or several selectors of the tensors to watch. May be empty if there are sites.
        sites: One or several selectors of the tensors to nudge: inputs or inner tensors, floating-point.
        keep_outputs: Keep the model's own outputs, first and in their order.
        prune: Remove the parts that no output needs. Inputs stay declared.

    Returns:
        The copy, with the names of the added outputs and inputs.

    Raises:
        SelectorError: If a selector is malformed, matches nothing, or means a tensor that cannot be watched or nudged.
        ModelError: If the model cannot be read.

    Examples:
        >>> from onnx_ood import models
        >>> path = models.path("fashion_cnn")
        >>> instrumented = instrument(path, probes="op:Relu[0]", sites="op:Conv[0]")
        >>> sorted(instrumented.outputs), sorted(instrumented.inputs)
        (['/blocks/blocks.0/relu/Relu_output_0'], ['/blocks/blocks.0/body/conv/Conv_output_0'])
    """
    model = model if isinstance(model, Model) else load(model)
    probes = [probes] if isinstance(probes, str) else list(probes)
    sites = [sites] if isinstance(sites, str) else list(sites)
    if not probes and not sites:
        raise SelectorError("no probe and no site given; use a tensor name, a glob, op:TYPE, outputs or all")
    watched, refused = _to_watch(model, probes)
    rewritten = rewrite(model, watched, _to_nudge(model, sites), keep_outputs=keep_outputs)
    proto, outputs = rewritten.proto, dict(rewritten.outputs)
    if model.standard_opset >= MIN_OPSET_OPTIONALS:
        renamed = as_optionals(proto, set(outputs.values()) - set(model.outputs))
        outputs = {name: renamed.get(output, output) for name, output in outputs.items()}
    if prune:
        remove_unneeded(proto)
    added = set(outputs.values()) - set(model.outputs) | set(rewritten.inputs.values())
    untyped = tuple(
        value.name
        for value in chain(proto.graph.output, proto.graph.input)
        if value.name in added and not _complete(value.type)
    )
    return Instrumented(proto, outputs, rewritten.inputs, refused, untyped, model.path)


def _complete(type_proto: TypeProto) -> bool:
    """Return whether `onnx.checker` accepts a type for an output."""
    kind = kind_of(type_proto)
    return kind is not None and (kind != "tensor_type" or type_proto.tensor_type.HasField("shape"))


def _to_watch(model: Model, selectors: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Resolve selectors of probes; return the tensors to watch, and reasons for the others that patterns match."""
    known = {tensor.name: tensor for tensor in chain(model.initializers, model.all_tensors)}
    candidates = [tensor for tensor in model.all_tensors if not tensor.constant and not tensor.is_input]
    names: dict[str, None] = {}
    refused: dict[str, str] = {}
    for selector in selectors:
        reasons = {}
        found = matching(selector, known, candidates, _unwatchable(model), model.path.name)
        for tensor in found:
            reason = model.output_plans.refusal(tensor.name)
            if reason is None:
                names[tensor.name] = None
            else:
                reasons[tensor.name] = reason
        if len(reasons) == len(found):
            name, reason = next(iter(reasons.items()))
            raise SelectorError(
                f"selector {selector!r} matches no tensor that can be watched: tensor {name!r} {reason}"
            )
        refused |= reasons
    return list(names), refused


def _unwatchable(model: Model) -> Callable[[Tensor], str | None]:
    return lambda tensor: model.output_plans.refusal(tensor.name)


def _to_nudge(model: Model, selectors: Sequence[str]) -> list[str]:
    """Resolve selectors of sites."""
    names: dict[str, None] = {}
    if selectors:
        known = {tensor.name: tensor for tensor in chain(model.initializers, model.all_tensors)}
        candidates = [tensor for tensor in nudgeable(model) if _unnudgeable(model)(tensor) is None]
        for selector in selectors:
            found = matching(selector, known, candidates, _unnudgeable(model), model.path.name)
            names.update(dict.fromkeys(tensor.name for tensor in found))
    return list(names)


def _unnudgeable(model: Model) -> Callable[[Tensor], str | None]:
    def reason(tensor: Tensor) -> str | None:
        if tensor.dtype is None and not tensor.constant:
            return "has a type that onnx cannot infer, so no input can be declared for its nudge"
        return why_not_nudged(model, tensor) or why_no_nudge_input(model)

    return reason
