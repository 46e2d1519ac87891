"""The mutation run: which mutants are valid, which tests they meet, and the score in CONTRIBUTING.md."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def mutation() -> ModuleType:
    spec = importlib.util.spec_from_file_location("mutation", ROOT / "benchmarks" / "mutation.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("source", "invalid"),
    [
        ("def f(x: int | None = 1 | 2) -> str | None: return x | 3", ["int | None", "str | None"]),
        ("x: int | None = 1 | 2", ["int | None"]),
        ("Shape: TypeAlias = tuple | None", ["TypeAlias", "tuple | None"]),
        ("Shape = tuple | Path | None", ["tuple | Path | None"]),
        ("flags = A_FLAG | other", []),
        ("__all__ = ['a' 'b']", ["__all__ = ['a' 'b']"]),
        ("if TYPE_CHECKING:\n    import a", ["if TYPE_CHECKING:\n    import a"]),
        ("logger.info('%s', 1 + 2)", ["logger.info('%s', 1 + 2)"]),
        ("Option(help=f'{1 + 2}', min=3 + 4)", ["f'{1 + 2}'"]),
        ("Limit = Annotated[int | None, Field(ge=1)]", ["int | None"]),
        ("y = cast(int | None, 1 + x)", ["int | None"]),
    ],
)
def test_annotations_and_texts_are_no_valid_mutants(
    mutation: ModuleType, source: str, invalid: list[str]
) -> None:
    lines = source.split("\n")
    found = []
    for (first, start), (last, end) in mutation._left_out(ast.parse(source)):
        part = lines[first - 1 : last]
        part[-1] = part[-1][:end]
        part[0] = part[0][start:]
        found.append("\n".join(part))
    assert sorted(found) == sorted(invalid)


def mutant(**changed: Any) -> dict[str, Any]:
    return {"module": "m.py", "line": 2, "before": "  b", "after": "  c", "outcome": "survived"} | changed


def test_a_mutant_finds_its_line_where_it_has_moved_to(mutation: ModuleType) -> None:
    assert mutation.apply(mutant(), "a\n  b\n") == "a\n  c\n"
    # The nearest of several, and none where it is gone.
    assert mutation.apply(mutant(line=5), "  b\na\na\na\n  b\n") == "  b\na\na\na\n  c\n"
    assert mutation.apply(mutant(), "a\nb\n") is None


def test_the_nearest_tests_come_first_and_none_twice(mutation: ModuleType) -> None:
    stages = mutation.stages("onnx_ood/graph/surface/hoist.py")
    assert stages[0] == ["tests/graph/surface/test_hoist.py"]
    flat = [test for stage in stages for test in stage]
    assert len(flat) == len(set(flat))
    assert {
        path.relative_to(ROOT).as_posix() for path in (ROOT / "tests" / "graph").rglob("test_*.py")
    } <= set(flat)
    assert mutation.stages("cli/show.py")[0] == ["tests/cli/test_show.py"]
    assert "tests/test_dialect.py" in mutation.stages("onnx_ood/_dialect.py")[0]
    (examples, *_) = mutation.stages("onnx_ood/metrics/ranking.py")[0]
    assert examples.endswith("[onnx_ood.metrics.ranking]")


def test_the_score_is_that_of_valid_mutants(mutation: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three of four: equivalents, mutants that are gone and those not run yet don't count."""
    monkeypatch.setattr(mutation, "_equivalents", lambda: {("m.py", "same", "alike"): "it is"})
    outcomes = ["killed", "killed", "timeout", "survived", "gone", None]
    stored = {"mutants": [mutant(outcome=one) for one in outcomes]}
    stored["mutants"].append(mutant(before="  same", after="  alike"))
    found = mutation.summarize(stored)
    assert found["score"] == 0.75
    assert found["counts"] == {
        "killed": 2,
        "timeout": 1,
        "survived": 1,
        "equivalent": 1,
        "gone": 1,
        "not run": 1,
    }


def test_equivalents_are_of_modules_that_exist(mutation: ModuleType) -> None:
    for (module, before, after), reason in mutation._equivalents().items():
        assert (ROOT / module).exists(), module
        assert before != after
        assert reason


def test_the_score_in_the_docs_is_that_of_the_run(mutation: ModuleType) -> None:
    stored = json.loads(mutation.RESULTS.read_text())
    again = mutation.summarize(json.loads(mutation.RESULTS.read_text()))
    assert (again["score"], again["counts"]) == (stored["score"], stored["counts"])
    text = (ROOT / "CONTRIBUTING.md").read_text()
    (share,) = re.findall(r"notice \*\*([\d.]+)%\*\*", text)
    assert float(share) == pytest.approx(100 * stored["score"], abs=0.05)
