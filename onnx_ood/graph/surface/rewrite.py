"""Rewriting a model: tensors from anywhere inside become outputs, and inputs are added that nudge them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from onnx import ModelProto, TypeProto, ValueInfoProto

from onnx_ood.graph.catalogue.names import Names
from onnx_ood.graph.catalogue.nested import TensorRequest, expand
from onnx_ood.graph.catalogue.output_plan import carried
from onnx_ood.graph.surface.hoist import TensorLocation, castable, hoist, place, without_made_up_symbols
from onnx_ood.graph.surface.open_site import (
    declare_nudge,
    declare_values,
    nudge_argument,
    nudge_result,
    replace_result,
)

if TYPE_CHECKING:
    from onnx_ood.graph.catalogue.model import Model


@dataclass(frozen=True)
class Rewritten:
    """A copy of a model that hands out more of its tensors and takes nudges.

    Attributes:
        proto: The copy, its external data not loaded.
        outputs: The graph output that carries each probe, by the probe's name. Several may share one: the result of a
            function is also the result of its call.
        inputs: The graph input that was added for each site, by the site's name.
    """

    proto: ModelProto
    outputs: Mapping[str, str]
    inputs: Mapping[str, str]


def rewrite(
    model: Model,
    probes: Iterable[str],
    sites: Iterable[str] = (),
    *,
    keep_outputs: bool = True,
) -> Rewritten:
    """Copies a model, makes tensors outputs of the copy, and adds an input for the nudge of each site.

    Args:
        model: The model; it is not changed, and weights in external files are not touched.
        probes: Names and scoped paths of tensors that can be watched (`Model.output_plans` knows).
        sites: Names and scoped paths of tensors of floats that can be nudged (`why_not_nudged` knows).
        keep_outputs: Keeps the model's own outputs, first and in their order.

    Returns:
        The copy, and where in it everything is. The input of a site takes what is added to it, nothing by default.
    """
    rewriting = _Rewriting(model, keep_outputs)
    probes, sites = dict.fromkeys(probes), dict.fromkeys(sites)
    places = rewriting.places([*probes, *sites])
    outputs = rewriting.watch(probes, places)
    inputs = {site: rewriting.nudge(places.get(site), site) for site in sites}
    return Rewritten(rewriting.proto, outputs, inputs)


def open_at(model: Model, probes: Iterable[str], site: str, kind: TypeProto | None = None) -> Rewritten:
    """Copies a model, makes tensors outputs of the copy, and makes an inner tensor an input of it.

    Everything in the copy is called as `rewrite` calls it for the same probes and no sites.

    Args:
        model: The model; it is not changed.
        probes: As in `rewrite`. The site has to be among them.
        site: Name or scoped path of a tensor that a node computes, not in a Loop or Scan.
        kind: The site's type where onnx can't infer it.

    Returns:
        The copy, and where in it everything is. What read the site reads the input, which has to be fed.
    """
    rewriting = _Rewriting(model, keep_outputs=True)
    probes = dict.fromkeys(probes)
    places = rewriting.places(probes)
    outputs = rewriting.watch(probes, places)
    return Rewritten(rewriting.proto, outputs, {site: rewriting.open(places.get(site), site, kind)})


class _Rewriting:
    """A copy of a model while it is rewritten."""

    def __init__(self, model: Model, keep_outputs: bool) -> None:
        self.proto = ModelProto()
        self.proto.CopyFrom(model.proto)
        self._names = Names(model.proto)
        self._model = model
        self._types = dict(model.nested.types)
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

    def places(self, names: Iterable[str]) -> dict[str, TensorLocation]:
        """Where the tensors are that are not in the main graph, once calls of functions are written out for them."""
        asked = set(names)
        inner = {tensor.path: tensor for tensor in self._model.nested.tensors if tensor.path in asked}
        wanted = TensorRequest()
        for tensor in inner.values():
            wanted.add(tensor)
        expanded = expand(self.proto, wanted, self._names)
        return {
            path: place(self.proto.graph, path, steps, local, inner[path].type)
            for path, steps, local in expanded.places()
        }

    def watch(self, probes: Mapping[str, None], places: Mapping[str, TensorLocation]) -> dict[str, str]:
        """Makes tensors outputs; gives the output of each."""
        stored = [tensor.name for tensor in self._model.proto.graph.initializer]
        main = dict.fromkeys([*stored, *(tensor.name for tensor in self._model.tensors)])
        outputs = {name: self._hand_out(name, name, self._types.get(name)) for name in main if name in probes}
        for path, (_, plan) in self._model.output_plans.inner(probes).items():
            where = places[path]
            if where.holders:
                outputs[path] = self._output(hoist(where, plan, self._names), plan.type)
            else:
                outputs[path] = self._hand_out(where.local, path, where.type)
        return outputs

    def _hand_out(self, name: str, path: str, kind: TypeProto | None) -> str:
        """Makes a tensor of the main graph an output, cast if need be."""
        carrier = castable(self.proto.graph, name, kind, path, self._names)
        return self._output(carrier, kind if carrier == name else carried(kind))

    def _output(self, name: str, kind: TypeProto | None) -> str:
        if name not in self._present:
            self._present.add(name)
            value = self.proto.graph.output.add(name=name)
            if name in self._declared:
                value.CopyFrom(self._declared[name])
            elif kind is not None:
                value.type.CopyFrom(without_made_up_symbols(kind))
        return name

    def nudge(self, where: TensorLocation | None, site: str) -> str:
        """Adds the input of a nudge; gives its name."""
        main = self.proto.graph
        graph, name, kind = (where.graphs[-1], where.local, where.type) if where else (main, site, None)
        nudge = self._names.fresh(f"{site}@nudge")
        if any(value.name == name for value in main.input) and not (where and where.holders):
            nudge_argument(main, name, nudge, self._names.fresh(f"{site}@nudged"))
        else:
            nudge_result(graph, name, nudge, self._names.fresh(f"{site}@unnudged"))
        declare_nudge(self.proto, nudge, kind or self._types[site])
        return nudge

    def open(self, where: TensorLocation | None, site: str, kind: TypeProto | None) -> str:
        """Adds an input that takes the place of a tensor; gives its name."""
        graph, name = (where.graphs[-1], where.local) if where else (self.proto.graph, site)
        entry = self._names.fresh(f"{site}@values")
        replace_result(graph, name, entry, self._names.fresh(f"{site}@computed"))
        declare_values(self.proto, entry, kind or (where.type if where else None) or self._types[site])
        return entry
