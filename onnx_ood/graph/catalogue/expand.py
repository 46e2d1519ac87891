"""Expanding calls of functions, so that the tensors inside them exist in the graph."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from onnx import FunctionProto, GraphProto, ModelProto, NodeProto

from onnx_ood.graph.catalogue.functions import (
    FunctionKey,
    body_of_call,
    called,
    functions_of,
    import_opsets,
)
from onnx_ood.graph.catalogue.names import Names
from onnx_ood.graph.catalogue.nodes import subgraph
from onnx_ood.graph.catalogue.paths import CALL, Step, node_labels


@dataclass
class TensorRequest:
    """A set of tensors of a graph and of the graphs inside it.

    Attributes:
        values: Scoped paths by name in this graph.
        inner: Requests for the graphs inside.
    """

    values: dict[str, list[str]] = field(default_factory=dict)
    inner: dict[Step, TensorRequest] = field(default_factory=dict)

    def add(self, path: str, steps: Sequence[Step], name: str) -> None:
        """Add one tensor to the request for the main graph.

        Args:
            path: Its scoped path.
            steps: Steps from the main graph to its graph.
            name: Its name there.
        """
        request = self
        for step in steps:
            request = request.inner.setdefault(step, TensorRequest())
        request.values.setdefault(name, []).append(path)

    def __iter__(self) -> Iterator[tuple[str, tuple[Step, ...], str]]:
        """Yield scoped path, steps and name of each tensor."""
        for name, paths in self.values.items():
            for path in paths:
                yield path, (), name
        for step, inside in self.inner.items():
            for path, steps, name in inside:
                yield path, (step, *steps), name


def expand(model: ModelProto, request: TensorRequest, names: Names) -> TensorRequest:
    """Replace each call of a function that holds a requested tensor by the function's body.

    Args:
        model: The model; it is changed.
        request: Tensors of the model as it was read.
        names: Source of fresh names.

    Returns:
        The same tensors in the changed model; no step leads into a function.
    """
    nodes, found = _expand(list(model.graph.node), request, "", model, functions_of(model), names)
    if nodes is not None:
        _replace_nodes(model.graph, nodes)
    return found


def _expand(
    nodes: list[NodeProto],
    request: TensorRequest,
    path: str,
    model: ModelProto,
    functions: Mapping[FunctionKey, FunctionProto],
    names: Names,
) -> tuple[list[NodeProto] | None, TensorRequest]:
    """Expand calls in one graph; return its new nodes, None if unchanged, and the request for them."""
    result_request = TensorRequest(values=dict(request.values))
    by_node: dict[int, dict[str, TensorRequest]] = {}
    for (i, attribute), inside in request.inner.items():
        by_node.setdefault(i, {})[attribute] = inside
    labels = node_labels(nodes)
    result: list[NodeProto] = []
    for i, node in enumerate(nodes):
        inner = by_node.get(i, {})
        if CALL in inner:
            function = called(node, functions)
            assert function is not None
            import_opsets(function, model)
            scope = f"{path}{labels[i]}/{function.name}"
            body, renamed = body_of_call(function, node, scope, names)
            deeper, found = _expand(
                body, _renamed(inner[CALL], renamed), f"{scope}/", model, functions, names
            )
            for name, paths in found.values.items():
                result_request.values.setdefault(name, []).extend(paths)
            for (j, attribute), inside in found.inner.items():
                result_request.inner[len(result) + j, attribute] = inside
            result.extend(body if deeper is None else deeper)
            continue
        for attribute, inside in inner.items():
            graph = subgraph(node, attribute)
            deeper, found = _expand(
                list(graph.node), inside, f"{path}{labels[i]}/{attribute}/", model, functions, names
            )
            if deeper is not None:
                _replace_nodes(graph, deeper)
            result_request.inner[len(result), attribute] = found
        result.append(node)
    changed = any(CALL in inner for inner in by_node.values())
    return (result if changed else None), result_request


def _renamed(request: TensorRequest, renamed: Mapping[str, str]) -> TensorRequest:
    values: dict[str, list[str]] = {}
    for name, paths in request.values.items():
        values.setdefault(renamed.get(name, name), []).extend(paths)
    # A function called inside has names of its own.
    inner = {
        step: inside if step[1] == CALL else _renamed(inside, renamed)
        for step, inside in request.inner.items()
    }
    return TensorRequest(values, inner)


def _replace_nodes(graph: GraphProto, nodes: Sequence[NodeProto]) -> None:
    kept = list(nodes)
    del graph.node[:]
    graph.node.extend(kept)
