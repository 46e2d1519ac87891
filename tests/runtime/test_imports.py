"""No cycle of imports among the children of the runtime."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import onnx_ood.runtime

ROOM = Path(onnx_ood.runtime.__file__).parent


def child(module: str) -> str | None:
    parts = module.split(".")
    return parts[2] if parts[:2] == ["onnx_ood", "runtime"] and len(parts) > 2 else None


def test_there_is_none() -> None:
    graph: dict[str, set[str]] = {}
    for path in ROOM.rglob("*.py"):
        own = path.relative_to(ROOM).parts[0].removesuffix(".py")
        if own == "__init__":
            continue
        imported = graph.setdefault(own, set())
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [child(node.module)] if child(node.module) else []
                if node.module == "onnx_ood.runtime":
                    names = [alias.name for alias in node.names]
                imported.update(name for name in names if name != own)
    assert graph["jacobian"] >= {"host", "prober"}
    order = list(TopologicalSorter(graph).static_order())
    assert order.index("kernels") < order.index("batching") < order.index("prober") < order.index("jacobian")
