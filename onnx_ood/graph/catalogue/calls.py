"""How much a model's functions amount to once every call is written out.

Functions may call functions. A small file can so describe a graph of billions of nodes, which shape inference and
the runtime would write out before anything else.
"""

from __future__ import annotations

from collections.abc import Iterable

from onnx import ModelProto, NodeProto

from onnx_ood.exceptions import ModelError
from onnx_ood.graph.catalogue.order import subgraphs

# The largest exported models have some ten thousand nodes.
MAX_NODES = 1_000_000


def check_calls(model: ModelProto) -> None:
    """Checks that a model stays of a size that can be handled when its function calls are written out.

    Args:
        model: The model.

    Raises:
        ModelError: If a function calls itself, or the model has more than a million nodes when written out.
    """
    functions = {(f.domain, f.name, f.overload): f for f in model.functions}
    sizes: dict[tuple[str, str, str], int] = {}
    # Depth first by hand: a chain of calls may be longer than Python's stack.
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
            sizes[key] = _written_out(functions[key].node, sizes)
            waiting.pop()
    total = _written_out(model.graph.node, sizes)
    if total > MAX_NODES:
        raise ModelError(f"its function calls amount to {total} nodes, more than {MAX_NODES}; refused")


def _calls(nodes: Iterable[NodeProto]) -> list[tuple[str, str, str]]:
    """What the nodes are instances of, those inside subgraphs included."""
    found = []
    for node in nodes:
        found.append((node.domain, node.op_type, node.overload))
        for graph in subgraphs(node):
            found.extend(_calls(graph.node))
    return found


def _written_out(nodes: Iterable[NodeProto], sizes: dict[tuple[str, str, str], int]) -> int:
    return sum(1 + sizes.get(call, 0) for call in _calls(nodes))
