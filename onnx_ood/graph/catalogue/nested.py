"""The tensors that are not in the main graph: in branches, in bodies of loops, and in functions.

Each has a scoped path, `node/then_branch/value` say. A node without a name goes by its operator and its
place in its graph, `If_3`. A function's tensors are there once for each call, `call/Function/value`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from onnx import (
    AttributeProto,
    FunctionProto,
    GraphProto,
    ModelProto,
    NodeProto,
    TypeProto,
)

from onnx_ood.exceptions import ModelError
from onnx_ood.graph.catalogue.activations import activation_outputs
from onnx_ood.graph.catalogue.functions import (
    FunctionKey,
    body_of_call,
    called,
    functions_of,
    import_opsets,
    opset_conflict,
)
from onnx_ood.graph.catalogue.inference import inferred
from onnx_ood.graph.catalogue.names import Names
from onnx_ood.graph.catalogue.order import execution_order, reads
from onnx_ood.graph.catalogue.weightless import without_weights

# Marks a step into a function, where a step into a subgraph has the attribute's name.
CALL = ""
# Operators whose nodes can be given one more output for what is inside.
HOISTED_OPS = frozenset({"If", "Loop", "Scan"})
# Functions that call functions can stand for more nodes than fit in memory.
_MOST = 200_000

# From a graph to one inside it: index of the node, and the attribute that holds the graph.
Step = tuple[int, str]


@dataclass(frozen=True, slots=True)
class NestedTensor:
    """One tensor that is not in the main graph.

    Attributes:
        path: Scoped path, unique in the model.
        scope: The path without the name.
        steps: The way to its graph.
        local: Its name there.
        around: The operators that hold the graphs around it, innermost first; calls of functions aside.
        node: The node that computes it; for an argument of a body the Loop or Scan that holds it.
        argument: True for an argument of a body, which no node computes.
        activation: True if it is the result of an activation function.
        constant: True if no graph input has an influence on its value.
        refusal: Why nothing in its scope can be watched, or None.
        type: As far as onnx can infer it; None where it can't.
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
    """Everything that a model computes, with types.

    Attributes:
        tensors: The tensors that are not in the main graph, in execution order.
        types: Types of the main graph's tensors, as far as they can be inferred.
    """

    tensors: tuple[NestedTensor, ...]
    types: Mapping[str, TypeProto]


@dataclass
class TensorRequest:
    """Which tensors of a graph are meant, and of the graphs inside it.

    Attributes:
        values: Scoped path by name in this graph.
        inner: What is meant in the graphs inside.
    """

    values: dict[str, list[str]] = field(default_factory=dict)
    inner: dict[Step, TensorRequest] = field(default_factory=dict)

    def add(self, tensor: NestedTensor) -> None:
        """Adds one tensor; self is the main graph."""
        place = self
        for step in tensor.steps:
            place = place.inner.setdefault(step, TensorRequest())
        place.values.setdefault(tensor.local, []).append(tensor.path)

    def places(self, steps: tuple[Step, ...] = ()) -> Iterator[tuple[str, tuple[Step, ...], str]]:
        """Yields scoped path, way and local name of each tensor."""
        for local, paths in self.values.items():
            for path in paths:
                yield path, steps, local
        for step, wanted in self.inner.items():
            yield from wanted.places((*steps, step))


def find_nested_tensors(model: ModelProto) -> NestedTensors:
    """Lists the tensors inside control flow and functions, and infers all types.

    Args:
        model: The model, external data not loaded; it is not changed.

    Returns:
        What was found.

    Raises:
        ModelError: If functions call themselves, or stand for more nodes than can be listed.
    """
    graph = model.graph
    stored = {tensor.name for tensor in graph.initializer}
    varying = {value.name for value in graph.input} - stored
    walk = _Walk(model)
    walk.main(varying)
    plain = ModelProto()
    plain.CopyFrom(without_weights(model, graph.node))
    wanted = TensorRequest()
    for tensor in walk.found:
        if tensor.refusal is None:
            wanted.add(tensor)
    expanded = expand(plain, wanted, Names(plain))
    typed = _inferred(plain)
    types = _types(typed)
    by_path = {
        path: kind
        for path, steps, local in expanded.places()
        if (kind := _types(_graph_at(typed, steps)).get(local)) is not None
    }
    return NestedTensors(
        tuple(replace(tensor, type=by_path.get(tensor.path)) for tensor in walk.found), types
    )


def reached_from(model: ModelProto, source: str) -> frozenset[str]:
    """Names and scoped paths of everything that a tensor has an influence on.

    Args:
        model: The model.
        source: Name or scoped path of the tensor.

    Returns:
        The tensors, at any depth; not the tensor itself. What else is in the body of a loop that reads it counts,
        for it may in the next iteration.
    """
    walk = _Walk(model, source)
    reached = walk.main({source})
    reached.update(tensor.path for tensor in walk.found if not tensor.constant)
    return frozenset(reached - {source})


class _Walk:
    """Goes through a model and lists what is inside its nodes.

    What varies is followed from the start: from the graph's inputs, or, where a source is given, from that alone.
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
        self._inner_source = "" if source is None or source in self._taken else source

    def main(self, varying: Collection[str]) -> set[str]:
        """Goes through the main graph; gives the names in it that vary."""
        return self._graph(list(self._model.graph.node), "", (), varying)

    def _graph(
        self,
        nodes: list[NodeProto],
        path: str,
        steps: tuple[Step, ...],
        varying: Collection[str],
        refusal: str | None = None,
        around: tuple[str, ...] = (),
        calls: tuple[str, ...] = (),
    ) -> set[str]:
        """Lists what is inside the nodes of one graph, and the nodes' own results unless it is the main graph."""
        varies = set(varying)
        labels = _labels(nodes)
        position = {id(node): i for i, node in enumerate(nodes)}
        ordered = execution_order(nodes)
        activations = activation_outputs(ordered) if steps else frozenset()
        for node in ordered:
            i = position[id(node)]
            here = f"{path}{labels[i]}/"
            # Whatever is inside a node may come out of it.
            inside = self._inner_source.startswith(here)
            changing = inside or any(name in varies for name in reads(node))
            if changing:
                varies.update(node.output)
            for name in filter(None, node.output if steps else ()):
                tensor = NestedTensor(
                    path + name,
                    path[:-1],
                    steps,
                    name,
                    around,
                    node,
                    False,
                    name in activations,
                    not changing,
                    refusal,
                )
                if self._add(tensor) == self._source:
                    varies.add(name)
            function = called(node, self._functions)
            if function is not None:
                if function.name in calls:
                    raise ModelError(f"function {function.name!r} calls itself: the file is not valid ONNX")
                given = zip(function.input, node.input, strict=False)
                self._graph(
                    list(function.node),
                    f"{here}{function.name}/",
                    (*steps, (i, CALL)),
                    {formal for formal, actual in given if actual in varies},
                    refusal or opset_conflict(function, self._model),
                    around,
                    (*calls, function.name),
                )
                continue
            for attribute in node.attribute:
                if attribute.type == AttributeProto.GRAPH and not attribute.ref_attr_name:
                    self._body(
                        node,
                        attribute,
                        f"{here}{attribute.name}/",
                        (*steps, (i, attribute.name)),
                        varies,
                        refusal,
                        around,
                        calls,
                        # Counters and what a body carries on change by themselves.
                        changing or self._source is None,
                    )
        return varies

    def _body(
        self,
        node: NodeProto,
        attribute: AttributeProto,
        path: str,
        steps: tuple[Step, ...],
        varies: set[str],
        refusal: str | None,
        around: tuple[str, ...],
        calls: tuple[str, ...],
        changing: bool,
    ) -> None:
        """Lists what a branch or a body has: its arguments, and what its nodes compute."""
        refusal = refusal or _why_closed(node)
        around = (node.op_type, *around)
        arguments = [value.name for value in attribute.g.input]
        for name in arguments:
            self._add(
                NestedTensor(
                    path + name, path[:-1], steps, name, around, node, True, False, not changing, refusal
                )
            )
        varying = (varies | set(arguments)) if changing else (varies - set(arguments))
        self._graph(list(attribute.g.node), path, steps, varying, refusal, around, calls)

    def _add(self, tensor: NestedTensor) -> str:
        """Lists one tensor; gives its path, which has a number behind it if something else is called so."""
        path, number = tensor.path, 1
        while path in self._taken:
            number += 1
            path = f"{tensor.path}#{number}"
        self._taken.add(path)
        self.found.append(tensor if number == 1 else replace(tensor, path=path))
        if len(self.found) > _MOST:
            raise ModelError(f"the functions and subgraphs hold more than {_MOST} tensors; that is too many")
        return path


def _labels(nodes: Sequence[NodeProto]) -> list[str]:
    """What each node is called in scoped paths: its name if no other has it, else its operator and place."""
    labels: list[str] = []
    taken: set[str] = {node.name for node in nodes}
    seen: set[str] = set()
    for i, node in enumerate(nodes):
        label = node.name
        if not label or label in seen:
            label = f"{node.op_type}_{i}"
            while label in taken:
                label += "_"
            taken.add(label)
        seen.add(label)
        labels.append(label)
    return labels


def _why_closed(node: NodeProto) -> str | None:
    if node.domain not in {"", "ai.onnx"} or node.op_type not in HOISTED_OPS:
        return f"is inside an operator {node.op_type}, which can't be given another output"
    held = {attribute.name for attribute in node.attribute if attribute.type == AttributeProto.GRAPH}
    whole = {"then_branch", "else_branch"} <= held if node.op_type == "If" else "body" in held
    if not whole or (node.op_type == "Loop" and len(node.input) < 2):
        return f"is inside a damaged {node.op_type}"
    return None


def expand(model: ModelProto, wanted: TensorRequest, names: Names) -> TensorRequest:
    """Replaces those calls of functions in which something is wanted by the function's body.

    Args:
        model: The model; it is changed.
        wanted: What is meant, as the model was read.
        names: Where fresh names come from.

    Returns:
        What is meant, as the model is now: no step leads into a function any more.
    """
    nodes, now = _expand(list(model.graph.node), wanted, "", model, functions_of(model), names)
    if nodes is not None:
        _replace_nodes(model.graph, nodes)
    return now


def _expand(
    nodes: list[NodeProto],
    wanted: TensorRequest,
    path: str,
    model: ModelProto,
    functions: Mapping[FunctionKey, FunctionProto],
    names: Names,
) -> tuple[list[NodeProto] | None, TensorRequest]:
    """The nodes of one graph with calls replaced, None if they stay; and what is wanted among them."""
    now = TensorRequest(values=dict(wanted.values))
    by_node: dict[int, dict[str, TensorRequest]] = {}
    for (i, attribute), inside in wanted.inner.items():
        by_node.setdefault(i, {})[attribute] = inside
    labels = _labels(nodes)
    result: list[NodeProto] = []
    for i, node in enumerate(nodes):
        inner = by_node.get(i, {})
        if CALL in inner:
            function = called(node, functions)
            assert function is not None
            import_opsets(function, model)
            here = f"{path}{labels[i]}/{function.name}"
            body, renamed = body_of_call(function, node, here, names)
            deeper, found = _expand(body, _renamed(inner[CALL], renamed), f"{here}/", model, functions, names)
            for local, paths in found.values.items():
                now.values.setdefault(local, []).extend(paths)
            for (j, attribute), inside in found.inner.items():
                now.inner[len(result) + j, attribute] = inside
            result.extend(body if deeper is None else deeper)
            continue
        for attribute, inside in inner.items():
            graph = subgraph(node, attribute)
            deeper, found = _expand(
                list(graph.node), inside, f"{path}{labels[i]}/{attribute}/", model, functions, names
            )
            if deeper is not None:
                _replace_nodes(graph, deeper)
            now.inner[len(result), attribute] = found
        result.append(node)
    return (None if not any(CALL in inner for inner in by_node.values()) else result), now


def _renamed(wanted: TensorRequest, renamed: Mapping[str, str]) -> TensorRequest:
    values: dict[str, list[str]] = {}
    for name, paths in wanted.values.items():
        values.setdefault(renamed.get(name, name), []).extend(paths)
    # A function that is called inside has names of its own.
    inner = {
        step: inside if step[1] == CALL else _renamed(inside, renamed)
        for step, inside in wanted.inner.items()
    }
    return TensorRequest(values, inner)


def _replace_nodes(graph: GraphProto, nodes: Sequence[NodeProto]) -> None:
    kept = list(nodes)
    del graph.node[:]
    graph.node.extend(kept)


def subgraph(node: NodeProto, attribute: str) -> GraphProto:
    """The graph that a node holds in an attribute.

    Args:
        node: A node that has it.
        attribute: The attribute's name.

    Returns:
        The graph itself, not a copy.
    """
    return next(entry.g for entry in node.attribute if entry.name == attribute)


def _graph_at(graph: GraphProto, steps: Sequence[Step]) -> GraphProto:
    for i, attribute in steps:
        graph = subgraph(graph.node[i], attribute)
    return graph


def _inferred(model: ModelProto) -> GraphProto:
    """The model's graph with inferred types at all depths, its nodes where they were."""
    nodes = list(model.graph.node)
    ordered = execution_order(nodes)
    back = {id(node): i for i, node in enumerate(ordered)}
    sorted_model = without_weights(model, ordered)
    graph = inferred(sorted_model)
    typed = list(graph.node)
    _replace_nodes(graph, [typed[back[id(node)]] for node in nodes])
    return graph


def _types(graph: GraphProto) -> dict[str, TypeProto]:
    found: dict[str, TypeProto] = {}
    for values in (graph.input, graph.value_info, graph.output):
        for value in values:
            if value.type.WhichOneof("value"):
                found[value.name] = value.type
    return found
