"""Rewriting a model so that any of its tensors can be watched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TypeGuard

from onnx import ModelProto, TensorProto, TypeProto, ValueInfoProto

from onnx_ood.exceptions import SelectorError, UsageError
from onnx_ood.graph.carriage import Carriage, carried, way_out
from onnx_ood.graph.lift import castable, lift, place, without_made_up_symbols
from onnx_ood.graph.model import Model, load
from onnx_ood.graph.names import Names
from onnx_ood.graph.prune import prune as remove_unneeded
from onnx_ood.graph.saving import save
from onnx_ood.graph.scopes import Inner, Wanted, expand
from onnx_ood.graph.select import matching
from onnx_ood.graph.tensors import Tensor, dtype_name

# The version of the operators that has optional values.
_OPTIONALS = 15


@dataclass(frozen=True)
class Instrumented:
    """A model that hands out more of its tensors. Made by `instrument`.

    Attributes:
        model: The rewritten model, its external data not loaded.
        outputs: By name or scoped path of each watched tensor, the graph output that carries it. Several tensors may
            have one: the result of a function is also the result of its call.
        inputs: By name of each site, the input that was added for its nudge. Sites are not built yet: it is empty.
        refused: Why a tensor that a pattern matched can't be watched, by its name. (One that is named exactly raises.)
        untyped: The added outputs of which onnx can't infer the type, or not the rank where the operators are older
            than version 15 (else they are optional values). onnxruntime infers them when it loads the model;
            `onnx.checker` takes a saved file amiss that has such outputs.
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
        probes: One selector or several: the tensors to watch.
        sites: Not built yet.
        keep_outputs: Keeps the model's own outputs, first and in their order.
        prune: Removes what no output needs. Inputs stay declared.

    Returns:
        The copy, and where in it everything is.

    Raises:
        SelectorError: If a selector is malformed or matches nothing, or what it means can't be watched.
        ModelError: If the model can't be read.
        UsageError: If sites are given.
    """
    sites = [sites] if isinstance(sites, str) else list(sites)
    if sites:
        raise UsageError("sites inside a model are not built yet; name probes only")
    model = model if isinstance(model, Model) else load(model)
    rewriting = _Rewriting(model, keep_outputs)
    chosen, refused = _choose(model, [probes] if isinstance(probes, str) else list(probes))
    outputs = rewriting.watch(chosen)
    if prune:
        remove_unneeded(rewriting.proto)
    untyped = tuple(
        value.name
        for value in rewriting.proto.graph.output
        if value.name in set(outputs.values())
        and value.name not in model.outputs
        and not _complete(value.type)
    )
    return Instrumented(rewriting.proto, outputs, {}, refused, untyped, model.path)


def _complete(kind: TypeProto) -> bool:
    """True if a type is all that `onnx.checker` asks of an output."""
    value = kind.WhichOneof("value")
    return value is not None and (value != "tensor_type" or kind.tensor_type.HasField("shape"))


def _of_any_rank(kind: TypeProto | None) -> TypeGuard[TypeProto]:
    """True if the type of a tensor is known, but not its rank."""
    return (
        kind is not None
        and kind.WhichOneof("value") == "tensor_type"
        and kind.tensor_type.elem_type != TensorProto.UNDEFINED
        and not kind.tensor_type.HasField("shape")
    )


class _Chosen:
    """Tensors that will be watched, in the order in which they become outputs."""

    def __init__(self) -> None:
        self.main: dict[str, None] = {}
        self.inner: dict[str, tuple[Inner, Carriage]] = {}


def _choose(model: Model, selectors: list[str]) -> tuple[_Chosen, dict[str, str]]:
    """Resolves selectors; gives what can be watched, and why the rest of what patterns match can't."""
    if not selectors:
        raise SelectorError("no probe is selected: name a tensor, a glob, op:TYPE, outputs or all")
    known = {tensor.name: tensor for tensor in chain(_stored(model), model.inner_tensors, model.tensors)}
    candidates = [
        tensor
        for tensor in chain(model.tensors, model.inner_tensors)
        if not tensor.constant and not tensor.is_input
    ]
    ways = _Ways(model)
    names: set[str] = set()
    refused: dict[str, str] = {}
    for selector in selectors:
        reasons = {}
        found = matching(selector, known, candidates, ways.refusal, model.path.name)
        for tensor in found:
            reason = ways.refusal(tensor)
            if reason is None:
                names.add(tensor.name)
            else:
                reasons[tensor.name] = reason
        if len(reasons) == len(found):
            name, reason = next(iter(reasons.items()))
            raise SelectorError(
                f"selector {selector!r} matches nothing that can be watched: tensor {name!r} {reason}"
            )
        refused |= reasons
    chosen = _Chosen()
    chosen.main = dict.fromkeys(
        tensor.name for tensor in chain(_stored(model), model.tensors) if tensor.name in names
    )
    chosen.inner = {path: ways.inner(path) for path in (t.name for t in model.inner_tensors) if path in names}
    return chosen, refused


class _Ways:
    """Whether and how the tensors of a model get out, found out once for each."""

    def __init__(self, model: Model) -> None:
        self._types = model.survey.types
        self._inner = {tensor.path: tensor for tensor in model.survey.inner}
        self._opset = model.opsets.get("ai.onnx", 1)
        self._found: dict[str, Carriage | str] = {}

    def refusal(self, tensor: Tensor) -> str | None:
        """Why a tensor can't be watched, None if it can."""
        way = self._way(tensor.name, bool(tensor.scope))
        return way if isinstance(way, str) else None

    def inner(self, path: str) -> tuple[Inner, Carriage]:
        """A tensor inside control flow or a function that can be watched, and its way out."""
        way = self._way(path, inner=True)
        assert isinstance(way, Carriage)
        return self._inner[path], way

    def _way(self, name: str, inner: bool) -> Carriage | str:
        if name not in self._found:
            if inner:
                tensor = self._inner[name]
                kind = carried(tensor.type) or tensor.type
                self._found[name] = tensor.refusal or way_out(tensor.around, kind, self._opset)
            else:
                kind = self._types.get(name)
                self._found[name] = way_out((), carried(kind) or kind, self._opset)
        return self._found[name]


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


class _Rewriting:
    """A copy of a model while it is rewritten."""

    def __init__(self, model: Model, keep_outputs: bool) -> None:
        self.proto = ModelProto()
        self.proto.CopyFrom(model.proto)
        self._names = Names(model.proto)
        self._types = dict(model.survey.types)
        for tensor in model.proto.graph.initializer:
            kind = TypeProto()
            kind.tensor_type.elem_type = tensor.data_type
            for size in tensor.dims:
                kind.tensor_type.shape.dim.add(dim_value=size)
            kind.tensor_type.shape.SetInParent()
            self._types.setdefault(tensor.name, kind)
        self._declared: dict[str, ValueInfoProto] = {value.name: value for value in model.proto.graph.output}
        if not keep_outputs:
            del self.proto.graph.output[:]
        self._present = {value.name for value in self.proto.graph.output}
        self._has_optionals = model.opsets.get("ai.onnx", 1) >= _OPTIONALS
        self._optionals: dict[str, str] = {}

    def watch(self, chosen: _Chosen) -> dict[str, str]:
        """Makes tensors outputs; gives the output of each."""
        wanted = Wanted()
        for tensor, _ in chosen.inner.values():
            wanted.add(tensor)
        places = {
            path: place(self.proto.graph, path, steps, local, chosen.inner[path][0].type)
            for path, steps, local in expand(self.proto, wanted, self._names).places()
        }
        outputs = {name: self._hand_out(name, name, self._types.get(name)) for name in chosen.main}
        for path, (_, carriage) in chosen.inner.items():
            where = places[path]
            if where.holders:
                outputs[path] = self._output(lift(where, carriage, self._names), carriage.type)
            else:
                outputs[path] = self._hand_out(where.local, path, where.type)
        return outputs

    def _hand_out(self, name: str, path: str, kind: TypeProto | None) -> str:
        """Makes a tensor of the main graph an output, cast if need be."""
        carrier = castable(self.proto.graph, name, kind, path, self._names)
        return self._output(carrier, kind if carrier == name else carried(kind))

    def _output(self, name: str, kind: TypeProto | None) -> str:
        if self._has_optionals and name not in self._declared and _of_any_rank(kind):
            return self._optional(name, kind)
        if name not in self._present:
            self._present.add(name)
            value = self.proto.graph.output.add(name=name)
            if name in self._declared:
                value.CopyFrom(self._declared[name])
            elif kind is not None:
                value.type.CopyFrom(without_made_up_symbols(kind))
        return name

    def _optional(self, name: str, kind: TypeProto) -> str:
        """Makes a tensor an output whose type, unlike a tensor's, is complete without a shape."""
        if name not in self._optionals:
            optional = self._optionals[name] = self._names.fresh(name)
            self.proto.graph.node.add(op_type="Optional", name=optional, input=[name], output=[optional])
            value = self.proto.graph.output.add(name=optional)
            value.type.optional_type.elem_type.tensor_type.elem_type = kind.tensor_type.elem_type
        return self._optionals[name]
