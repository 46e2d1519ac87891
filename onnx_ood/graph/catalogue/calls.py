"""Size of a model with all function calls expanded.

Functions may call functions, so a small file can describe a graph of billions of nodes, which shape inference and the
runtime would expand first of all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from onnx import ModelProto, NodeProto

from onnx_ood.exceptions import ModelError
from onnx_ood.graph.catalogue.functions import FunctionKey, called_key, functions_of
from onnx_ood.graph.catalogue.nodes import subgraphs

# Functions within functions and subgraphs are visited recursively. Exported models nest some ten.
MAX_DEPTH = 100
# The largest exported models have some ten thousand nodes.
MAX_NODES = 1_000_000


def check_calls(model: ModelProto) -> None:
    """Check the size of a model with its function calls expanded.

    Args:
        model: The model.

    Raises:
        ModelError: If a function calls itself, or the expanded model has more than a million nodes or nests too deep.
    """
    functions = functions_of(model)
    sizes: dict[FunctionKey, int] = {}
    depths: dict[FunctionKey, int] = {}
    # Depth first without recursion: a chain of calls may be longer than Python's stack.
    for start in functions:
        waiting = [start]
        while waiting:
            key = waiting[-1]
            if key in sizes:
                waiting.pop()
                continue
            calls = [c for c in _calls(functions[key].node) if c in functions]
            missing = [c for c in calls if c not in sizes]
            if missing:
                if not set(missing).isdisjoint(waiting):
                    raise ModelError(f"function {key[1]!r} calls itself, which ONNX forbids")
                waiting.append(missing[0])
                continue
            sizes[key] = _expanded_size(functions[key].node, sizes)
            depths[key] = 1 + _depth(functions[key].node, depths)
            waiting.pop()
    depth = _depth(model.graph.node, depths)
    if depth > MAX_DEPTH:
        raise ModelError(
            f"its functions and subgraphs nest {depth} deep, more than the limit of {MAX_DEPTH}; refused"
        )
    total = _expanded_size(model.graph.node, sizes)
    if total > MAX_NODES:
        raise ModelError(
            f"its function calls expand to {total} nodes, more than the limit of {MAX_NODES}; refused"
        )


def _calls(nodes: Iterable[NodeProto]) -> list[FunctionKey]:
    """Operator or function of each node, those inside subgraphs included."""
    found = []
    for node in nodes:
        found.append(called_key(node))
        for graph in subgraphs(node):
            found.extend(_calls(graph.node))
    return found


def _depth(nodes: Iterable[NodeProto], depths: Mapping[FunctionKey, int]) -> int:
    """Count the levels of functions and subgraphs inside nodes."""
    inside = [depths.get(called_key(node), 0) for node in nodes]
    inside += [1 + _depth(graph.node, depths) for node in nodes for graph in subgraphs(node)]
    return max(inside, default=0)


def _expanded_size(nodes: Iterable[NodeProto], sizes: dict[FunctionKey, int]) -> int:
    return sum(1 + sizes.get(call, 0) for call in _calls(nodes))
