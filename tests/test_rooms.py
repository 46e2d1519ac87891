"""Imports point down the list of rooms, never up."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# docs/architecture.md lists the same order.
ROOMS = [
    "cli",
    "reports",
    "audits",
    "evidence",
    "detectors",
    "piecewise",
    "runtime",
    "results",
    "inputs",
    "graph",
    "perturb",
    "metrics",
]
EVERYWHERE = {"exceptions", "models"}


def _files():
    yield from (ROOT / "cli").glob("*.py")
    yield from (ROOT / "onnx_ood").glob("*/**/*.py")


def _room(path: Path) -> str:
    parts = path.relative_to(ROOT).parts
    return parts[0] if parts[0] == "cli" else parts[1]


def _imported(tree: ast.AST):
    """Rooms that a module imports from, absolute imports only: relative ones stay inside their room."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "onnx_ood" and len(parts) > 1 and (parts[1] in ROOMS or parts[1] in EVERYWHERE):
                yield parts[1]


@pytest.mark.parametrize("path", sorted(_files()), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_point_down(path):
    room = _room(path)
    assert room in ROOMS
    for imported in _imported(ast.parse(path.read_text())):
        if imported not in EVERYWHERE:
            assert ROOMS.index(imported) >= ROOMS.index(room), f"{room} imports from {imported}"


def test_the_graph_room_does_not_know_the_runtime():
    for path in (ROOT / "onnx_ood" / "graph").glob("*.py"):
        assert "onnxruntime" not in {
            alias.name.split(".")[0]
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Import)
            for alias in node.names
        }


def test_the_inputs_room_knows_neither_onnx_nor_the_runtime():
    for path in (ROOT / "onnx_ood" / "inputs").glob("*.py"):
        tree = ast.parse(path.read_text())
        modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)} | {
            alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
        }
        assert not {"onnx", "onnxruntime"} & {str(module).split(".")[0] for module in modules}
