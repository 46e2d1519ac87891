"""Tensors outside the main graph: in branches, in bodies of loops, and in functions."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from onnx import AttributeProto, ModelProto, NodeProto, TypeProto

from onnx_ood.exceptions import ModelError
from onnx_ood.graph.catalogue.activations import activation_outputs
from onnx_ood.graph.catalogue.expand import TensorRequest, expand
from onnx_ood.graph.catalogue.functions import called, functions_of, opset_conflict
from onnx_ood.graph.catalogue.inference import infer_types, without_weights
from onnx_ood.graph.catalogue.names import Names
from onnx_ood.graph.catalogue.nodes import is_standard, reads
from onnx_ood.graph.catalogue.order import execution_order
from onnx_ood.graph.catalogue.paths import CALL, Step, graph_at, node_labels
from onnx_ood.graph.catalogue.type_protos import types_in

# Control flow whose nodes can be given further outputs.
_HOISTED_OPS = frozenset({"If", "Loop", "Scan"})
# Functions that call functions can stand for more nodes than fit in memory.
_MAX_TENSORS = 200_000


@dataclass(frozen=True, slots=True)
class NestedTensor:
    """A tensor outside the main graph.

    Attributes:
        path: Scoped path, unique in the model.
        scope: The path without the name.
        steps: Steps from the main graph to its graph.
        local: Its name there.
        around: Control-flow operators around it, innermost first; calls of functions are left out.
        node: The node that computes it; for an argument of a body the Loop or Scan.
        argument: True for an argument of a body, computed by no node.
        activation: True for the result of an activation function.
        constant: True if its value depends on no graph input.
        refusal: Why nothing in its scope can be watched, or None.
        type: Inferred type, None if unknown.
    """

    path: str
    scope: str
    steps: tuple[Step, ...]
    local: str
    around: tuple[str, ...]
    node: NodeProto
    argument: bool
    activation: bool
    constant: bool
    refusal: str | None
    type: TypeProto | None = None


@dataclass(frozen=True)
class NestedTensors:
    """The tensors outside the main graph, and the types of those in it.

    Attributes:
        tensors: Tensors outside the main graph, in execution order.
        types: Inferred types of the main graph's tensors, by name.
    """

    tensors: tuple[NestedTensor, ...]
    types: Mapping[str, TypeProto]


def find_nested_tensors(model: ModelProto, types: Mapping[str, TypeProto]) -> NestedTensors:
    """List the tensors inside control flow and functions, with types.

    Args:
        model: The model, external data not loaded; it is not changed.
        types: Inferred types of the main graph's tensors.

    Returns:
        The tensors. Types of the main graph are inferred anew with functions expanded, if there are nested tensors.

    Raises:
        ModelError: If a function calls itself, or there are more than 200,000 nested tensors.
    """
    stored = {tensor.name for tensor in model.graph.initializer}
    walk = _Walk(model)
    walk.main({value.name for value in model.graph.input} - stored)
    if not walk.found:
        return NestedTensors((), types)
    expanded = without_weights(model, model.graph.node)
    request = TensorRequest()
    for tensor in walk.found:
        if tensor.refusal is None:
            request.add(tensor.path, tensor.steps, tensor.local)
    request = expand(expanded, request, Names(expanded))
    typed = infer_types(expanded)
    # Collected once for each graph: some hold thousands of tensors.
    types_at: dict[tuple[Step, ...], Mapping[str, TypeProto]] = {}
    by_path = {}
    for path, steps, name in request:
        if steps not in types_at:
            types_at[steps] = types_in(graph_at(typed, steps))
        inferred = types_at[steps].get(name)
        if inferred is not None:
            by_path[path] = inferred
    return NestedTensors(
        tuple(replace(tensor, type=by_path.get(tensor.path)) for tensor in walk.found), types_in(typed)
    )


def reached_from(model: ModelProto, source: str) -> frozenset[str]:
    """Find the tensors that depend on a tensor, at any depth.

    Args:
        model: The model.
        source: Name or scoped path of the tensor.

    Returns:
        Names and scoped paths, without the tensor itself. If a Loop or Scan reads it, all tensors of the body count,
        since they may depend on it in a later iteration.
    """
    walk = _Walk(model, source)
    reached = walk.main({source})
    reached.update(tensor.path for tensor in walk.found if not tensor.constant)
    return frozenset(reached - {source})


@dataclass(frozen=True)
class _Surroundings:
    """Surroundings of a nested graph.

    Attributes:
        path: Scoped path of the graph with a trailing slash, empty for the main graph.
        steps: Steps from the main graph.
        refusal: Why nothing in the graph can be watched, or None.
        around: Control-flow operators, innermost first.
        calls: Functions called on the way.
    """

    path: str = ""
    steps: tuple[Step, ...] = ()
    refusal: str | None = None
    around: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()


class _Walk:
    """Visits all graphs of a model, lists nested tensors, and tracks dependence.

    Tensors that depend on the graph's inputs, or on one source tensor if given, are called varying.
    """

    def __init__(self, model: ModelProto, source: str | None = None) -> None:
        self.found: list[NestedTensor] = []
        self._model = model
        self._source = source
        self._functions = functions_of(model)
        self._taken = {name for node in model.graph.node for name in node.output}
        self._taken |= {value.name for value in model.graph.input}
        self._taken |= {tensor.name for tensor in model.graph.initializer}
        # A name of the main graph may look like a path.
        self._nested_source = "" if source is None or source in self._taken else source

    def main(self, varying: Collection[str]) -> set[str]:
        """Visit the main graph; return the names of its varying tensors."""
        return self._graph(list(self._model.graph.node), _Surroundings(), varying)

    def _graph(self, nodes: list[NodeProto], place: _Surroundings, varying: Collection[str]) -> set[str]:
        """List the tensors of one graph, unless it is the main graph, and of the graphs inside."""
        varies = set(varying)
        labels = node_labels(nodes)
        position = {id(node): i for i, node in enumerate(nodes)}
        ordered = execution_order(nodes)
        activations = activation_outputs(ordered) if place.steps else frozenset()
        for node in ordered:
            i = position[id(node)]
            prefix = f"{place.path}{labels[i]}/"
            # A source inside a node may affect all of the node's results.
            holds_source = self._nested_source.startswith(prefix)
            changing = holds_source or any(name in varies for name in reads(node))
            if changing:
                varies.update(node.output)
            for name in filter(None, node.output if place.steps else ()):
                tensor = self._tensor(name, node, place, constant=not changing)
                if self._add(replace(tensor, activation=name in activations)) == self._source:
                    varies.add(name)
            function = called(node, self._functions)
            if function is not None:
                if function.name in place.calls:
                    raise ModelError(f"function {function.name!r} calls itself: the file is not valid ONNX")
                given = zip(function.input, node.input, strict=False)
                inside = _Surroundings(
                    f"{prefix}{function.name}/",
                    (*place.steps, (i, CALL)),
                    place.refusal or opset_conflict(function, self._model),
                    place.around,
                    (*place.calls, function.name),
                )
                self._graph(
                    list(function.node), inside, {formal for formal, actual in given if actual in varies}
                )
                continue
            for attribute in node.attribute:
                if attribute.type == AttributeProto.GRAPH and not attribute.ref_attr_name:
                    inside = replace(
                        place,
                        path=f"{prefix}{attribute.name}/",
                        steps=(*place.steps, (i, attribute.name)),
                        refusal=place.refusal or _why_not_hoisted(node),
                        around=(node.op_type, *place.around),
                    )
                    # Counters and states of a body change by themselves.
                    self._body(node, attribute, inside, varies, changing or self._source is None)
        return varies

    def _body(
        self,
        node: NodeProto,
        attribute: AttributeProto,
        place: _Surroundings,
        varies: set[str],
        changing: bool,
    ) -> None:
        """List the tensors of a branch or body: its arguments, and the results of its nodes."""
        arguments = [value.name for value in attribute.g.input]
        for name in arguments:
            self._add(replace(self._tensor(name, node, place, constant=not changing), argument=True))
        varying = (varies | set(arguments)) if changing else (varies - set(arguments))
        self._graph(list(attribute.g.node), place, varying)

    def _tensor(self, name: str, node: NodeProto, place: _Surroundings, *, constant: bool) -> NestedTensor:
        return NestedTensor(
            path=place.path + name,
            scope=place.path[:-1],
            steps=place.steps,
            local=name,
            around=place.around,
            node=node,
            argument=False,
            activation=False,
            constant=constant,
            refusal=place.refusal,
        )

    def _add(self, tensor: NestedTensor) -> str:
        """List one tensor; return its path, with a number appended if the path is taken."""
        path, number = tensor.path, 1
        while path in self._taken:
            number += 1
            path = f"{tensor.path}#{number}"
        self._taken.add(path)
        self.found.append(tensor if number == 1 else replace(tensor, path=path))
        if len(self.found) > _MAX_TENSORS:
            raise ModelError(
                f"functions and subgraphs hold more than {_MAX_TENSORS:,} tensors; larger models are not supported"
            )
        return path


def _why_not_hoisted(node: NodeProto) -> str | None:
    """Explain why nothing inside a node can become an output; None if it can."""
    if not is_standard(node.domain) or node.op_type not in _HOISTED_OPS:
        return f"is inside an operator {node.op_type}, which cannot be given further outputs"
    held = {attribute.name for attribute in node.attribute if attribute.type == AttributeProto.GRAPH}
    complete = {"then_branch", "else_branch"} <= held if node.op_type == "If" else "body" in held
    if not complete or (node.op_type == "Loop" and len(node.input) < 2):
        return f"is inside a damaged {node.op_type}"
    return None
