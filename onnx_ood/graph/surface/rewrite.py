"""Rewriting a model: tensors from any depth become outputs, and sites get inputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from onnx import GraphProto, ModelProto, TypeProto, ValueInfoProto

from onnx_ood.exceptions import SelectorError
from onnx_ood.graph.catalogue.expand import TensorRequest, expand
from onnx_ood.graph.catalogue.names import Names
from onnx_ood.graph.catalogue.nodes import is_standard
from onnx_ood.graph.catalogue.paths import Step
from onnx_ood.graph.catalogue.type_protos import cast_type, declarable_type, has_element_type, tensor_type
from onnx_ood.graph.surface.hoist import Declared, TensorLocation, add_cast, hoist, locate
from onnx_ood.graph.surface.open_site import (
    declare_nudge,
    declare_values,
    nudge_argument,
    nudge_results,
    replace_result,
)

if TYPE_CHECKING:
    from onnx_ood.graph.catalogue.model import Model


@dataclass(frozen=True)
class Rewritten:
    """A copy of a model with further outputs and inputs.

    Attributes:
        proto: The copy, external data not loaded.
        outputs: Graph output of each probe, by the probe's name. Several may share one: the result of a function is
            also the result of its call.
        inputs: Graph input added for each site, by the site's name.
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
    """Copy a model, make tensors outputs of the copy, and add an input for the nudge of each site.

    Args:
        model: The model; it is not changed, and weights in external files are not read.
        probes: Names and scoped paths of tensors without a refusal by `Model.output_plans`.
        sites: Names and scoped paths of floating-point tensors accepted by `why_not_nudged`.
        keep_outputs: Keep the model's own outputs, first and in their order.

    Returns:
        The copy. The input of a site takes the values to add, nothing (−0) by default.
    """
    rewriting = _Rewriting(model, keep_outputs)
    probes, sites = dict.fromkeys(probes), dict.fromkeys(sites)
    locations = rewriting.locate([*probes, *sites])
    outputs = rewriting.watch(probes, locations)
    inputs = rewriting.nudge(sites, locations)
    return Rewritten(rewriting.proto, outputs, inputs)


def open_at(model: Model, probes: Iterable[str], site: str, type_proto: TypeProto | None = None) -> Rewritten:
    """Copy a model, make tensors outputs of the copy, and replace an inner tensor by an input.

    Names in the copy are those of `rewrite` for the same probes and no sites.

    Args:
        model: The model; it is not changed.
        probes: As in `rewrite`; they must include the site.
        site: Name or scoped path of a tensor computed by a node outside Loop and Scan.
        type_proto: The site's type if onnx cannot infer it.

    Returns:
        The copy. Nodes that read the site read the input instead, which has to be fed.
    """
    rewriting = _Rewriting(model, keep_outputs=True)
    probes = dict.fromkeys(probes)
    locations = rewriting.locate(probes)
    outputs = rewriting.watch(probes, locations)
    return Rewritten(rewriting.proto, outputs, {site: rewriting.open(locations.get(site), site, type_proto)})


class _Rewriting:
    """A copy of a model while it is rewritten."""

    def __init__(self, model: Model, keep_outputs: bool) -> None:
        self.proto = ModelProto()
        self.proto.CopyFrom(model.proto)
        if all(not is_standard(entry.domain) for entry in self.proto.opset_import):
            self.proto.opset_import.add(domain="", version=model.standard_opset)
        self._names = Names(model.proto)
        self._model = model
        # Functions are expanded for the second, by which onnx may infer more or less.
        self._types = {**model.types, **model.nested.types}
        for tensor in model.proto.graph.initializer:
            stored = tensor_type(tensor.data_type, 0)
            for size in tensor.dims:
                stored.tensor_type.shape.dim.add(dim_value=size)
            self._types.setdefault(tensor.name, stored)
        self._declared: dict[str, ValueInfoProto] = {value.name: value for value in model.proto.graph.output}
        if not keep_outputs:
            del self.proto.graph.output[:]
        self._present = {value.name for value in self.proto.graph.output}

    def locate(self, names: Iterable[str]) -> dict[str, TensorLocation]:
        """Locate the tensors outside the main graph, after expanding the calls of functions around them."""
        requested = set(names)
        nested = {tensor.path: tensor for tensor in self._model.nested.tensors if tensor.path in requested}
        request = TensorRequest()
        for tensor in nested.values():
            request.add(tensor.path, tensor.steps, tensor.local)
        return {
            path: locate(self.proto.graph, path, steps, local, nested[path].type)
            for path, steps, local in expand(self.proto, request, self._names)
        }

    def watch(self, probes: Mapping[str, None], locations: Mapping[str, TensorLocation]) -> dict[str, str]:
        """Make tensors outputs; return the output of each."""
        stored = [tensor.name for tensor in self._model.proto.graph.initializer]
        main = dict.fromkeys([*stored, *(tensor.name for tensor in self._model.tensors)])
        outputs = {
            name: self._cast_output(name, name, self._types.get(name)) for name in main if name in probes
        }
        declared: Declared = {}
        for path, (_, plan) in self._model.output_plans.nested(probes).items():
            location = locations[path]
            if location.holders:
                outputs[path] = self._output(hoist(location, plan, self._names, declared), plan.type)
            else:
                outputs[path] = self._cast_output(location.local, path, location.type)
        return outputs

    def _cast_output(self, name: str, path: str, type_proto: TypeProto | None) -> str:
        """Make a tensor of the main graph an output, cast if need be."""
        output = add_cast(self.proto.graph, name, type_proto, path, self._names)
        return self._output(output, type_proto if output == name else cast_type(type_proto))

    def _output(self, name: str, type_proto: TypeProto | None) -> str:
        if name not in self._present:
            self._present.add(name)
            value = self.proto.graph.output.add(name=name)
            if name in self._declared:
                value.CopyFrom(self._declared[name])
            elif type_proto is not None:
                value.type.CopyFrom(declarable_type(type_proto))
        return name

    def nudge(self, sites: Iterable[str], locations: Mapping[str, TensorLocation]) -> dict[str, str]:
        """Add the input of each site's nudge; return their names."""
        main = self.proto.graph
        arguments = {value.name for value in main.input}
        inputs: dict[str, str] = {}
        # By the steps to the graph that computes them.
        results: dict[tuple[Step, ...], tuple[GraphProto, dict[str, tuple[str, str]]]] = {}
        for site in sites:
            location = locations.get(site)
            graph, name, known = (
                (location.graphs[-1], location.local, location.type) if location else (main, site, None)
            )
            inputs[site] = nudge = self._names.fresh(f"{site}@nudge")
            if name in arguments and not (location and location.holders):
                nudge_argument(main, name, nudge, self._names.fresh(f"{site}@nudged"))
            else:
                steps = location.steps if location else ()
                _, nudges = results.setdefault(steps, (graph, {}))
                while name in nudges:  # Two paths of one tensor: the second nudges what the first left.
                    name = nudges[name][1]
                nudges[name] = nudge, self._names.fresh(f"{site}@unnudged")
            declare_nudge(self.proto, nudge, known or self._type_of(site))
        # The innermost first: nodes of a graph are new objects afterwards, with all that they hold.
        for steps in sorted(results, key=len, reverse=True):
            nudge_results(*results[steps])
        return inputs

    def open(self, location: TensorLocation | None, site: str, type_proto: TypeProto | None) -> str:
        """Add an input that replaces a tensor; return its name."""
        graph, name = (location.graphs[-1], location.local) if location else (self.proto.graph, site)
        entry = self._names.fresh(f"{site}@values")
        replace_result(graph, name, entry, self._names.fresh(f"{site}@computed"))
        known = type_proto or (location.type if location else None)
        declare_values(self.proto, entry, known or self._type_of(site))
        return entry

    def _type_of(self, site: str) -> TypeProto:
        if not has_element_type(self._types.get(site)):
            raise SelectorError(
                f"tensor {site!r} has a type that neither onnx nor onnxruntime can infer, so no input can be declared "
                "for its nudge; choose another site"
            )
        return self._types[site]
