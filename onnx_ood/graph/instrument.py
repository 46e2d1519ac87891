"""Rewriting a model so that any of its tensors can be watched and nudged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from onnx import ModelProto, TypeProto

from onnx_ood.exceptions import SelectorError
from onnx_ood.graph.catalogue.model import Model, load
from onnx_ood.graph.catalogue.tensors import Tensor, dtype_name
from onnx_ood.graph.select import matching
from onnx_ood.graph.sites import nudgeable, why_not_nudged
from onnx_ood.graph.surface.optional import OLDEST_OPSET as OPTIONALS_FROM
from onnx_ood.graph.surface.optional import as_optionals
from onnx_ood.graph.surface.prune import prune as remove_unneeded
from onnx_ood.graph.surface.rewrite import rewrite
from onnx_ood.graph.surface.saving import save


@dataclass(frozen=True)
class Instrumented:
    """A model that hands out more of its tensors, and takes nudges. Made by `instrument`.

    Attributes:
        model: The rewritten model, its external data not loaded.
        outputs: By name or scoped path of each watched tensor, the graph output that carries it. Several tensors may
            have one: the result of a function is also the result of its call.
        inputs: By name or scoped path of each site, the input that was added for its nudge. What is fed there is added
            to the site, and may have any shape of the site's rank that broadcasts to it. Not fed it is −0, which
            leaves every bit as it was; in models of IR version 3 and older it has to be fed.
        refused: Why a tensor that a pattern matched can't be watched, by its name. (One that is named exactly raises.)
        untyped: The added outputs of which onnx can't infer the type, or not the rank where the operators are older
            than version 15 (else they are optional values); and added inputs of unknown rank. onnxruntime infers them
            when it loads the model; `onnx.checker` takes a saved file amiss that has them.
        source: The file that the model was read from.
    """

    model: ModelProto
    outputs: Mapping[str, str]
    inputs: Mapping[str, str]
    refused: Mapping[str, str]
    untyped: tuple[str, ...]
    source: Path

    def save(self, path: str | Path, *, embed: bool = False) -> None:
        """Writes the model to a file, as a whole or not at all.

        Weights in external files stay where they are and are neither copied nor read.

        Args:
            path: Where to. It has to be in the folder of the external data files, links resolved, or above.
            embed: Puts external weights into the file instead, which then can be anywhere.

        Raises:
            OutputError: If the file can't be written, or its data files can't be reached from there.
            ModelError: If it would be larger than an ONNX file can be.
        """
        save(self.model, self.source, Path(path), embed=embed)


def instrument(
    model: str | Path | Model,
    *,
    probes: str | Iterable[str],
    sites: str | Iterable[str] = (),
    keep_outputs: bool = True,
    prune: bool = False,
) -> Instrumented:
    """Copies a model so that the copy hands out tensors from anywhere inside.

    Selectors are those of `select`, but they mean tensors of every type, and those inside control flow and functions
    too, by scoped path. Patterns and `all` leave out constants; an exact name may be of anything, of an input or
    an initializer as well.

    Args:
        model: A model file, or a model that `load` has read. It is not changed.
        probes: One selector or several: the tensors to watch. May be none where there are sites.
        sites: One selector or several: the tensors to nudge, inputs or tensors of floats inside.
        keep_outputs: Keeps the model's own outputs, first and in their order.
        prune: Removes what no output needs. Inputs stay declared.

    Returns:
        The copy, and where in it everything is.

    Raises:
        SelectorError: If a selector is malformed or matches nothing, or what it means can't be watched or nudged.
        ModelError: If the model can't be read.
    """
    model = model if isinstance(model, Model) else load(model)
    probes = [probes] if isinstance(probes, str) else list(probes)
    sites = [sites] if isinstance(sites, str) else list(sites)
    if not probes and not sites:
        raise SelectorError(
            "no probe and no site is selected: name a tensor, a glob, op:TYPE, outputs or all"
        )
    watched, refused = _to_watch(model, probes)
    rewritten = rewrite(model, watched, _to_nudge(model, sites), keep_outputs=keep_outputs)
    proto, outputs = rewritten.proto, dict(rewritten.outputs)
    if model.opsets.get("ai.onnx", 1) >= OPTIONALS_FROM:
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


def _complete(kind: TypeProto) -> bool:
    """True if a type is all that `onnx.checker` asks of an output."""
    value = kind.WhichOneof("value")
    return value is not None and (value != "tensor_type" or kind.tensor_type.HasField("shape"))


def _to_watch(model: Model, selectors: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Resolves selectors of probes; gives what can be watched, and why the rest of what patterns match can't."""
    known = {tensor.name: tensor for tensor in chain(_stored(model), model.all_tensors)}
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
                f"selector {selector!r} matches nothing that can be watched: tensor {name!r} {reason}"
            )
        refused |= reasons
    return list(names), refused


def _unwatchable(model: Model) -> Callable[[Tensor], str | None]:
    return lambda tensor: model.output_plans.refusal(tensor.name)


def _to_nudge(model: Model, selectors: Sequence[str]) -> list[str]:
    """Resolves selectors of sites."""
    names: dict[str, None] = {}
    if selectors:
        known = {tensor.name: tensor for tensor in chain(_stored(model), model.all_tensors)}
        candidates = [tensor for tensor in nudgeable(model) if tensor.dtype is not None]
        for selector in selectors:
            found = matching(selector, known, candidates, _unnudgeable(model), model.path.name)
            names.update(dict.fromkeys(tensor.name for tensor in found))
    return list(names)


def _unnudgeable(model: Model) -> Callable[[Tensor], str | None]:
    def reason(tensor: Tensor) -> str | None:
        if tensor.dtype is None and not tensor.constant:
            return "has a type that onnx can't infer, so no input can be declared for its nudge"
        return why_not_nudged(model, tensor)

    return reason


def _stored(model: Model) -> Iterator[Tensor]:
    """Initializers of the main graph that are no inputs, as the catalogue would list them."""
    for stored in model.proto.graph.initializer:
        yield Tensor(
            name=stored.name,
            op="Initializer",
            domain="",
            node="",
            dtype=dtype_name(stored.data_type),
            shape=tuple(stored.dims),
            index=0,
            depth=0,
            activation=False,
            constant=True,
            output=False,
            consumers=0,
        )
