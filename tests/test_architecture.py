"""docs/architecture.md is true: the names and files in backticks exist, and its lists are those of the code."""

from __future__ import annotations

import ast
import re
import tomllib
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "architecture.md").read_text()
SOURCES = [*(ROOT / "onnx_ood").rglob("*.py"), *(ROOT / "cli").glob("*.py")]
BASES = (ROOT, ROOT / "onnx_ood", ROOT / "tests", ROOT / "docs")
# Not names of the code: examples, options, and places inside a model.
ELSEWHERE = {"id", "ood", "page.js", "facts.py"}


@cache
def names() -> set[str]:
    """Every identifier that the package defines or refers to, string constants included: choices are literals."""
    found: set[str] = set()
    for path in SOURCES:
        found |= {path.stem, path.parent.name}
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                found.add(node.name)
            elif isinstance(node, ast.arg):
                found.add(node.arg)
            elif isinstance(node, ast.Name):
                found.add(node.id)
            elif isinstance(node, ast.Attribute):
                found.add(node.attr)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
    return found


EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
SPANS = sorted(set(re.findall(r"`([^`\n]+)`", TEXT)))
PATHS = [
    span for span in SPANS if re.fullmatch(r"[\w./-]+(/|\.(py|md|json|js))", span) and span not in ELSEWHERE
]
IDENTIFIERS = [
    span for span in SPANS if re.fullmatch(r"[A-Za-z_][\w.]*", span) and span not in {*PATHS, *ELSEWHERE}
]


def test_the_page_names_many_paths_and_identifiers():
    assert len(PATHS) > 40
    assert len(IDENTIFIERS) > 80


@pytest.mark.parametrize("path", PATHS)
def test_paths_exist(path):
    """From the root, the package or the docs; folders of a room also by their own name."""
    assert any((base / path).exists() for base in BASES) or any((ROOT / "onnx_ood").rglob(path.rstrip("/")))


@pytest.mark.parametrize("name", IDENTIFIERS)
def test_identifiers_exist(name):
    known = names() | set(EXTRAS)
    assert name in known or set(name.split(".")) <= known


def test_rooms_are_listed_in_the_order_of_imports():
    table = TEXT.split("## Rooms")[1].split("## ")[0]
    listed = [name.split("/")[-1] for name in re.findall(r"^\| `([^`]+)/` \|", table, flags=re.MULTILINE)]
    rooms = ast.parse((ROOT / "tests" / "test_rooms.py").read_text())
    (order,) = (
        ast.literal_eval(node.value)
        for node in rooms.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "ROOMS"
    )
    assert listed == order


def test_links_lead_to_files():
    for target in re.findall(r"\]\(([^)#]+)\)", TEXT):
        assert (ROOT / "docs" / target).exists(), target
