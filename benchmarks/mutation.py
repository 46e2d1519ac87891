"""Mutation score of the tests: the fraction of small changes of the code that some test notices.

    make mutation                                       seeded sample of 300 mutants, results/mutation.json
    python benchmarks/mutation.py --count 40 --only metrics

cosmic-ray makes the mutants of metrics, detectors, graph, check and cli; a seeded sample of them is tested. A mutant is
run against the test file of its module's name first, then against the tests of its room, then against `--last`. Each
worker has a copy of the repository. Annotations, `TYPE_CHECKING` blocks and text are not mutated: the mutants would be
the same program.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import random
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SCOPES = {
    "metrics": "onnx_ood/metrics",
    "detectors": "onnx_ood/detectors",
    "graph": "onnx_ood/graph",
    "check": "onnx_ood/audits/check",
    "cli": "cli",
}
TIMEOUT = 600
# Mutants of these operators are mostly no change in what a program does, or no Python.
SKIPPED_OPERATORS = ("core/NoOp", "core/VariableInserter", "core/VariableReplacer", "core/RemoveDecorator")


def mutants(module: Path) -> list[dict[str, Any]]:
    """All mutants of a module, as operator, occurrence and line."""
    import cosmic_ray.plugins  # noqa: PLC0415 - not needed to read stored results
    from cosmic_ray.ast import ast_nodes, get_ast_from_path  # noqa: PLC0415

    left_out = _left_out(module)
    tree = get_ast_from_path(module)
    found = []
    for name in cosmic_ray.plugins.operator_names():
        if name in SKIPPED_OPERATORS:
            continue
        kind = cosmic_ray.plugins.get_operator(name)
        if kind.arguments():
            continue
        operator = kind()
        positions = (
            (start, end) for node in ast_nodes(tree) for start, end in operator.mutation_positions(node)
        )
        for occurrence, (start, end) in enumerate(positions):
            if not any(first <= start and end <= last for first, last in left_out):
                found.append({"operator": name, "occurrence": occurrence, "line": start[0]})
    return found


def _left_out(module: Path) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Spans of a module whose mutants are equivalent: annotations and imports for type checkers."""
    spans = []
    for node in ast.walk(ast.parse(module.read_text())):
        parts: list[ast.AST | None] = []
        if isinstance(node, ast.FunctionDef):
            parts = [
                node.returns,
                *(one.annotation for one in ast.walk(node.args) if isinstance(one, ast.arg)),
            ]
        elif isinstance(node, ast.AnnAssign):
            parts = [node.annotation]
        elif isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            parts = [node]
        for part in parts:
            if part is not None:
                at: Any = part
                spans.append(((at.lineno, at.col_offset), (at.end_lineno, at.end_col_offset)))
    return spans


def sample(count: int, seed: int, scopes: list[str]) -> list[dict[str, Any]]:
    """A seeded sample of mutants, drawn evenly over all mutants of the scopes."""
    everything = [
        {"scope": scope, "module": path.relative_to(ROOT).as_posix(), **mutant}
        for scope in scopes
        for path in sorted((ROOT / SCOPES[scope]).rglob("*.py"))
        if path.name != "__init__.py"
        for mutant in mutants(path)
    ]
    print(f"{len(everything)} mutants in all", flush=True)
    chosen = random.Random(seed).sample(range(len(everything)), min(count, len(everything)))
    return [everything[i] for i in sorted(chosen)]


def tests_of(module: str) -> list[list[str]]:
    """Tests to run against a mutant of a module, one stage after the other."""
    path = Path(module)
    inside = path.relative_to("onnx_ood") if path.parts[0] == "onnx_ood" else path
    own = ROOT / "tests" / inside.parent / f"test_{inside.stem}.py"
    room = ROOT / "tests" / inside.parts[0]
    if inside.parts[0] == "audits":
        room = room / inside.parts[1]
    stages = [[own.relative_to(ROOT).as_posix()]] if own.exists() else []
    return [*stages, [room.relative_to(ROOT).as_posix()]]


def judge(mutant: dict[str, Any], copy: Path, last: list[str]) -> dict[str, Any]:
    """Runs the tests against one mutant; the copy is as before afterwards."""
    import cosmic_ray.plugins  # noqa: PLC0415
    from cosmic_ray.mutating import mutate_code  # noqa: PLC0415

    path = copy / mutant["module"]
    original = path.read_text()
    changed = mutate_code(
        original, cosmic_ray.plugins.get_operator(mutant["operator"])(), mutant["occurrence"]
    )
    line = mutant["line"] - 1
    result = {
        **mutant,
        "outcome": "survived",
        "before": original.splitlines()[line].strip(),
        "killed_by": None,
    }
    result["after"] = (changed or original).splitlines()[line].strip()
    started = time.monotonic()
    try:
        path.write_text(changed or original)
        for stage in [*tests_of(mutant["module"]), *([last] if last else [])]:
            code = _run(copy, stage)
            if code != 0:
                result |= {"outcome": "timeout" if code is None else "killed", "killed_by": " ".join(stage)}
                break
    finally:
        path.write_text(original)
    result["seconds"] = round(time.monotonic() - started, 1)
    return result


def _run(copy: Path, tests: list[str]) -> int | None:
    """Exit code of pytest; None if it took too long."""
    environment = os.environ | {
        "PYTHONPATH": str(copy),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HYPOTHESIS_PROFILE": "repeatable",
    }
    try:
        return subprocess.run(
            [
                sys.executable,
                "-P",
                "-m",
                "pytest",
                "-x",
                "-q",
                "--no-header",
                "-p",
                "no:cacheprovider",
                *tests,
            ],
            cwd=copy,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=TIMEOUT,
            check=False,
        ).returncode
    except subprocess.TimeoutExpired:
        return None


def copy_repository(folder: Path) -> Path:
    """A copy of the tracked files that is imported in place of the installed package."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    # Installed under the package; see setup.py.
    for name in ("cli", "models"):
        (folder / "onnx_ood" / name).symlink_to(folder / name)
    return folder


def main() -> None:
    """Samples, tests and writes the score."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", choices=sorted(SCOPES), default=sorted(SCOPES))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument(
        "--last", nargs="*", default=[], help="tests to run against mutants that survive the others"
    )
    parser.add_argument("--json", type=Path, default=ROOT / "benchmarks" / "results" / "mutation.json")
    parser.add_argument("--again", action="store_true", help="test only the survivors in --json again")
    options = parser.parse_args()
    stored = json.loads(options.json.read_text()) if options.again else None
    chosen = (
        [{key: one[key] for key in ("scope", "module", "operator", "occurrence", "line")} for one in stored["mutants"]
         if one["outcome"] == "survived"]
        if stored
        else sample(options.count, options.seed, options.only)
    )  # fmt: skip
    with TemporaryDirectory() as name:
        copies: Queue[Path] = Queue()
        for number in range(options.workers):
            (Path(name) / str(number)).mkdir()
            copies.put(copy_repository(Path(name) / str(number)))

        def one(mutant: dict[str, Any]) -> dict[str, Any]:
            copy = copies.get()
            try:
                result = judge(mutant, copy, options.last)
            finally:
                copies.put(copy)
            print(
                f"{result['outcome']:9} {result['seconds']:6.1f} s {result['module']}:{result['line']}",
                flush=True,
            )
            return result

        with ThreadPoolExecutor(options.workers) as pool:
            results = list(pool.map(one, chosen))
    if stored:
        key = lambda mutant: (mutant["module"], mutant["operator"], mutant["occurrence"])  # noqa: E731
        fresh = {key(result): result for result in results}
        results = [fresh.get(key(mutant), mutant) for mutant in stored["mutants"]]
    score = sum(result["outcome"] != "survived" for result in results) / len(results)
    options.json.write_text(
        json.dumps(
            {"seed": options.seed, "count": len(results), "score": round(score, 4), "mutants": results},
            indent=1,
        )
    )
    print(f"{score:.1%} of {len(results)} mutants were noticed")


if __name__ == "__main__":
    main()
