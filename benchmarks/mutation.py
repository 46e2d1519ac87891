"""Mutation score of the tests: the fraction of small changes of the code that a test notices.

    make mutation                                             300 mutants, benchmarks/results/mutation.json
    .venv/bin/python benchmarks/mutation.py --count 40 --only metrics --json /tmp/metrics.json

A seeded sample is drawn from all mutants that cosmic-ray makes of metrics, detectors, graph, audits/check and cli.
Left out by rule, since no test can notice them: annotations and type aliases, `TYPE_CHECKING` blocks, `__all__`, help
texts and descriptions, logging, docstrings and comments. Mutants that are not valid Python are dropped. Each mutant
is tested on a copy of the repository, first by the examples in its module and the test file of the module's name,
then by tests that import the module, then by tests of modules that import it, then by the rest of its folder and of
its room, until a test fails or `--limit` seconds of CPU time are spent. A mutant that no test noticed in this time
counts as survived. A failing test is run without the mutant too: if it fails there as well, it counts for nothing.
So does a test that takes more than 5 seconds of CPU time, unless it is faster without the mutant.

The results are written after each mutant; the same command continues where the last one ended. `--fresh` draws again,
`--again` repeats the survivors. `results/mutation-equivalents.toml` lists mutants that are the same program, with the
reason; they don't count.
"""

from __future__ import annotations

import argparse
import ast
import builtins
import difflib
import importlib
import json
import multiprocessing
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
import tomllib
import traceback
from collections.abc import Iterator
from functools import cache
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "mutation.json"
EQUIVALENTS = ROOT / "benchmarks" / "results" / "mutation-equivalents.toml"
SCOPES = {
    "metrics": "onnx_ood/metrics",
    "detectors": "onnx_ood/detectors",
    "graph": "onnx_ood/graph",
    "check": "onnx_ood/audits/check",
    "cli": "cli",
}
# Mutants of these operators are mostly no change in what a program does, or no Python.
SKIPPED_OPERATORS = ("core/NoOp", "core/VariableInserter", "core/VariableReplacer", "core/RemoveDecorator")
TEXT_KEYWORDS = ("description", "help", "title", "epilog", "short_help", "rich_help_panel", "metavar")
# Wall time at most, in multiples of the CPU time; a test may wait for ever.
SLOWEST = 20
# Time for the examples and tests of a module itself, in multiples of the limit.
OWN = 5
# CPU seconds at most of a single test, and the exit code if it takes longer.
SLOW, TOO_LONG = 5, 77
# Imported once and inherited by each test run; the package itself is imported anew.
PRELOADED = (
    "numpy", "scipy.stats", "scipy.special", "scipy.ndimage", "onnx", "onnx.reference", "onnx.parser", "onnxruntime",
    "numba", "pydantic", "PIL.Image", "pytest", "hypothesis", "typer", "typer.testing", "rich.console", "rich.table",
    "rich.progress", "jsonschema",
)  # fmt: skip


def mutants(module: Path) -> list[dict[str, Any]]:
    """All valid mutants of a module, as operator, occurrence and line."""
    import cosmic_ray.plugins  # noqa: PLC0415 - not needed to repeat stored mutants
    from cosmic_ray.ast import ast_nodes, get_ast_from_path  # noqa: PLC0415

    left_out = list(_left_out(ast.parse(module.read_text())))
    nodes = list(ast_nodes(get_ast_from_path(module)))
    found = []
    for name in sorted(cosmic_ray.plugins.operator_names()):
        if name in SKIPPED_OPERATORS or cosmic_ray.plugins.get_operator(name).arguments():
            continue
        operator = cosmic_ray.plugins.get_operator(name)()
        positions = (place for node in nodes for place in operator.mutation_positions(node))
        for occurrence, (start, end) in enumerate(positions):
            if not any(first <= start and end <= last for first, last in left_out):
                found.append({"operator": name, "occurrence": occurrence, "line": start[0]})
    return found


def _left_out(tree: ast.AST) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Spans of a module without valid mutants; see the docstring of this file."""
    for node in ast.walk(tree):
        for part in _invalid_parts(node):
            if part is not None:
                yield (
                    (part.lineno, part.col_offset),
                    (part.end_lineno or part.lineno, part.end_col_offset or part.col_offset),
                )


def _invalid_parts(node: ast.AST) -> list[ast.expr | ast.stmt | None]:
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return [
                node.returns,
                *(one.annotation for one in ast.walk(node.args) if isinstance(one, ast.arg)),
            ]
        case ast.AnnAssign(annotation=annotation, value=value):
            return [annotation, value if ast.unparse(annotation) == "TypeAlias" else None]
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return [node]
        case ast.Assign(targets=[ast.Name(id="__all__")]):
            return [node]
        case ast.Assign(targets=[ast.Name()], value=ast.BinOp(op=ast.BitOr()) as value) if _is_type(value):
            return [value]
        case ast.Subscript(value=ast.Name(id="Annotated"), slice=ast.Tuple(elts=[first, *_])):
            return [first]
        case ast.Call(func=ast.Attribute(value=ast.Name(id="logger" | "logging" | "_logger"))):
            return [node]
        case ast.Call(func=ast.Name(id="cast"), args=[first, *_]):
            return [first]
        case ast.Call():
            return [keyword.value for keyword in node.keywords if keyword.arg in TEXT_KEYWORDS]
    return []


def _is_type(node: ast.expr) -> bool:
    """Return whether an expression is a union of types, such as `Path | None`."""
    match node:
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _is_type(left) and _is_type(right)
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.Subscript(value=ast.Name(id=name)):
            return name[0].isupper() or hasattr(builtins, name)
    return isinstance(node, ast.Constant) and node.value is None


def sample(count: int, seed: int, scopes: list[str]) -> tuple[list[dict[str, Any]], int]:
    """Draw a seeded sample of mutants with their diffs, evenly over all scopes, and count all mutants."""
    everything = [
        {"scope": scope, "module": path.relative_to(ROOT).as_posix(), **mutant}
        for scope in scopes
        for path in sorted((ROOT / SCOPES[scope]).rglob("*.py"))
        for mutant in mutants(path)
    ]
    total = len(everything)
    random.Random(seed).shuffle(everything)
    return list(islice(filter(None, map(_with_diff, everything)), count)), total


def _with_diff(mutant: dict[str, Any]) -> dict[str, Any] | None:
    """Make the mutant with the lines that it changes; None if it changes none, or is not Python."""
    import cosmic_ray.plugins  # noqa: PLC0415
    from cosmic_ray.mutating import mutate_code  # noqa: PLC0415

    before = (ROOT / mutant["module"]).read_text()
    operator = cosmic_ray.plugins.get_operator(mutant["operator"])()
    try:
        after = mutate_code(before, operator, mutant["occurrence"]) or before
    except AttributeError:  # cosmic-ray 8.7 can't replace an exception with a dotted name.
        return None
    try:
        compile(after, mutant["module"], "exec")
    except SyntaxError:
        return None
    if after == before:
        return None
    old, new = before.splitlines(), after.splitlines()
    changed = [
        code
        for code in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
        if code[0] != "equal"
    ]
    (_, first, _, start, _), (_, _, last, _, end) = changed[0], changed[-1]
    return {
        "scope": mutant["scope"],
        "module": mutant["module"],
        "line": first + 1,
        "operator": mutant["operator"].removeprefix("core/"),
        "before": "\n".join(old[first:last]),
        "after": "\n".join(new[start:end]),
        "outcome": None,
    }


def apply(mutant: dict[str, Any], source: str) -> str | None:
    """Mutate the source; None if the line no longer exists. Lines may have moved since the sample was drawn."""
    lines, before = source.splitlines(), mutant["before"].splitlines()
    places = [i for i in range(len(lines)) if lines[i : i + len(before)] == before]
    if not places:
        return None
    first = min(places, key=lambda i: abs(i + 1 - mutant["line"]))
    lines[first : first + len(before)] = mutant["after"].splitlines()
    return "\n".join(lines) + "\n"


def _module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = parts if parts[0] == "onnx_ood" else ("onnx_ood", *parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def _importers() -> dict[str, list[Path]]:
    """Files of the package and of the tests by the modules that they import directly."""
    found: dict[str, list[Path]] = {}
    for folder in ("onnx_ood", "cli", "tests"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            package = _module_name(path).split(".")
            package = package if path.name == "__init__.py" else package[:-1]
            for node in ast.walk(ast.parse(path.read_text())):
                names = []
                if isinstance(node, ast.ImportFrom):
                    base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
                    module = ".".join(filter(None, (base, node.module)))
                    names = [module, *(f"{module}.{alias.name}" for alias in node.names)]
                elif isinstance(node, ast.Import):
                    names = [alias.name for alias in node.names]
                for name in names:
                    if path not in found.setdefault(name, []):
                        found[name].append(path)
    return found


def _own_tests(module: Path) -> list[Path]:
    inside = module.relative_to(ROOT)
    inside = inside.relative_to("onnx_ood") if inside.parts[0] == "onnx_ood" else inside
    own = ROOT / "tests" / inside.parent / f"test_{inside.stem.lstrip('_')}.py"
    return [own] if own.exists() else []


def stages(module: str) -> list[list[str]]:
    """Test files to run against a mutant of a module, nearest first."""
    path = ROOT / module
    own = _own_tests(path)
    users = _importers().get(_module_name(path), [])
    direct = [user for user in users if user.name.startswith("test_")]
    near = [test for user in users if not user.name.startswith("test_") for test in _own_tests(user)]
    inside = path.relative_to(ROOT)
    inside = inside.relative_to("onnx_ood") if inside.parts[0] == "onnx_ood" else inside
    folder = sorted((ROOT / "tests" / inside.parent).glob("test_*.py"))
    room = sorted(
        (ROOT / "tests" / Path(*inside.parts[: 2 if inside.parts[0] == "audits" else 1])).rglob("test_*.py")
    )
    seen: set[Path] = set()
    found = []
    for stage in (own, direct, near, folder, room):
        fresh = sorted(
            (test for test in dict.fromkeys(stage) if test not in seen), key=lambda test: test.stat().st_size
        )
        seen.update(fresh)
        found.append([test.relative_to(ROOT).as_posix() for test in fresh])
    if ">>> " in path.read_text() and inside.parts[0] != "cli":
        found[0].insert(0, f"tests/test_doctests.py::test_examples_in_docstrings[{_module_name(path)}]")
    return [stage for stage in found if stage]


class Recorder:
    """Pytest plugin that notes failed tests in a file, and ends tests that take too long."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.running, self.began = "", 0.0

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        """Sorts the tests of a file by the time they took before, and leaves out slow ones."""
        files = {path: i for i, path in enumerate(dict.fromkeys(item.path for item in items))}
        items[:] = sorted(
            (item for item in items if item.nodeid not in _slow),
            key=lambda item: (files[item.path], _durations.get(item.nodeid, 0.0)),
        )

    @staticmethod
    def _too_long(*_: object) -> None:
        import pytest  # noqa: PLC0415

        pytest.exit("too long", returncode=TOO_LONG)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Start the clock of a test, in CPU time."""
        self.running, self.began = nodeid, time.process_time()
        signal.signal(signal.SIGPROF, self._too_long)
        signal.setitimer(signal.ITIMER_PROF, SLOW)

    def pytest_runtest_logfinish(self) -> None:
        """Stop the clock."""
        signal.setitimer(signal.ITIMER_PROF, 0)
        self._note("took", f"{self.running}\t{time.process_time() - self.began}")

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Record a failure."""
        if report.failed:
            self._note("failed", report.nodeid)

    def pytest_collectreport(self, report: Any) -> None:
        """Record a file that cannot be imported."""
        if report.failed:
            self._note("failed", report.nodeid)

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """Record the test that took too long."""
        if exitstatus == TOO_LONG:
            self._note("failed", self.running)

    def _note(self, event: str, name: str) -> None:
        with self.path.open("a") as file:
            file.write(f"{event}\t{name}\n")


def _run(copy: Path, tests: list[str], seconds: float) -> tuple[str, str, float]:
    """Run tests in a separate process, with a limit of CPU time.

    Returns:
        `passed`, `failed`, `slow` or `unfinished`; the failed or slow test; the seconds.
    """
    notes = copy / ".mutation-notes"
    notes.write_text("")
    process = os.fork()
    if process == 0:
        _child(copy, tests, notes, seconds)
    end = time.monotonic() + SLOWEST * seconds
    while not (ended := os.wait4(process, os.WNOHANG))[0]:
        if time.monotonic() > end:
            os.killpg(process, signal.SIGKILL)
        time.sleep(0.05)
    _, status, usage = ended
    used = usage.ru_utime + usage.ru_stime
    lines = [line.split("\t") for line in notes.read_text().splitlines()]
    _durations.update({name: float(took[0]) for event, name, *took in lines if event == "took"})
    noted = [name for event, name, *_ in lines if event == "failed"]
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGXCPU, signal.SIGKILL):
        return "unfinished", "", used
    code = TOO_LONG if os.WIFSIGNALED(status) else os.waitstatus_to_exitcode(status)
    if code in (0, 5):
        return "passed", "", used
    return "slow" if code == TOO_LONG else "failed", noted[0] if noted else tests[0], used


def _child(copy: Path, tests: list[str], notes: Path, seconds: float) -> None:
    """Run pytest on the copy and end the process."""
    code: Any = 99
    try:
        os.setsid()
        spent = int(time.process_time() + seconds) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (spent, spent + 1))
        os.chdir(copy)
        nothing = os.open(copy / ".mutation-output", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        for stream in (0, 1, 2):
            os.dup2(nothing, stream)
        os.environ |= {"PYTHONPATH": str(copy), "HYPOTHESIS_PROFILE": "repeatable"}
        # The working tree is installed as editable; its finder comes first otherwise.
        sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in str(finder).lower()]
        sys.path[:] = [str(copy), *(entry for entry in sys.path if entry not in ("", str(ROOT)))]
        import pytest  # noqa: PLC0415

        code = pytest.main(
            ["-x", "-q", "--no-header", "-p", "no:cacheprovider", "-p", "no:xdist",
             "-W", "ignore::pytest.PytestAssertRewriteWarning", *tests],
            plugins=[Recorder(notes)],
        )  # fmt: skip
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(int(code))


# Tests that take longer than SLOW without a mutant, and the seconds of others when they ran last.
_slow: set[str] = set()
_durations: dict[str, float] = {}


def judge(mutant: dict[str, Any], copy: Path, limit: float) -> dict[str, Any]:
    """Run the tests against one mutant and restore the copy."""
    path = copy / mutant["module"]
    original = path.read_text()
    changed = apply(mutant, original)
    if changed is None:
        return mutant | {"outcome": "gone"}
    result = mutant | {"outcome": "survived", "killed_by": None, "complete": False, "seconds": 0.0}
    waiting = stages(mutant["module"])
    count = len(waiting)
    # The nearest tests are never cut short.
    while waiting and (left := (OWN * limit if len(waiting) == count else limit) - result["seconds"]) > 0:
        state, test, used = _run_mutated(path, original, changed, copy, waiting[0], left)
        result["seconds"] = round(result["seconds"] + used, 1)
        if state in ("failed", "slow") and _passes(copy, test):
            return result | {"outcome": "killed" if state == "failed" else "timeout", "killed_by": test}
        if state in ("failed", "slow") and "::" in test:
            # Says nothing: it fails or is slow without the mutant too.
            _slow.add(test)
        elif state == "failed":
            # Nor does a file that can't be imported.
            waiting[0] = [one for one in waiting[0] if one.split("::")[0] != test.split("::")[0]]
        elif state == "unfinished":
            return result
        else:
            waiting[0] = []
        waiting = [stage for stage in waiting if stage]
    return result | {"complete": not waiting}


def _run_mutated(
    path: Path, original: str, changed: str, copy: Path, tests: list[str], seconds: float
) -> tuple[str, str, float]:
    times = path.stat()
    try:
        path.write_text(changed)
        # Compiled files are compared by time and size, so each version gets a time of its own.
        os.utime(path, (time.time(), 10**9 + random.randrange(10**8)))
        return _run(copy, tests, seconds)
    finally:
        path.write_text(original)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


@cache
def _passes(copy: Path, test: str) -> bool:
    return _run(copy, [test], 10 * SLOW)[0] == "passed"


def copy_repository(folder: Path) -> Path:
    """Copy the repository's files to a folder that is imported in place of the installed package."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    # Installed under the package; see setup.py.
    for name in ("cli", "models"):
        (folder / "onnx_ood" / name).symlink_to(folder / name)
    return folder


def _start_worker(folder: str) -> None:
    global ROOT  # noqa: PLW0603 - the working tree may change while mutants are tested
    copy = Path(folder) / str(os.getpid())
    copy.mkdir()
    ROOT = copy_repository(copy)


def _work(task: tuple[int, dict[str, Any], float]) -> tuple[int, dict[str, Any]]:
    number, mutant, limit = task
    return number, judge(mutant, ROOT, limit)


def _equivalents() -> dict[tuple[str, str, str], str]:
    listed = tomllib.loads(EQUIVALENTS.read_text())["equivalent"] if EQUIVALENTS.exists() else []
    return {
        (one["module"], one["before"].strip(), one["after"].strip()): " ".join(one["reason"].split())
        for one in listed
    }


def summarize(stored: dict[str, Any]) -> dict[str, Any]:
    """Mark equivalent mutants and count; the score is over mutants with an outcome."""
    equivalents = _equivalents()
    for mutant in stored["mutants"]:
        reason = equivalents.get((mutant["module"], mutant["before"].strip(), mutant["after"].strip()))
        if reason and mutant["outcome"] in ("survived", None):
            mutant |= {"outcome": "equivalent", "reason": reason}
    outcomes = [mutant["outcome"] for mutant in stored["mutants"]]
    counts = {
        name: outcomes.count(name) for name in ("killed", "timeout", "survived", "equivalent", "gone", None)
    }
    noticed = counts["killed"] + counts["timeout"]
    valid = noticed + counts["survived"]
    return stored | {
        "score": round(noticed / valid, 4) if valid else None,
        "counts": {name or "not run": n for name, n in counts.items() if n},
        "mutants": stored["mutants"],
    }


def _write(stored: dict[str, Any], path: Path) -> None:
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(summarize(stored), indent=1) + "\n")
    partial.replace(path)


def main() -> None:
    """Sample, test and write the score."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", choices=sorted(SCOPES), default=sorted(SCOPES))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--limit", type=float, default=60, help="seconds of CPU time per mutant")
    parser.add_argument("--json", type=Path, default=RESULTS)
    parser.add_argument("--fresh", action="store_true", help="draw a new sample")
    parser.add_argument("--again", action="store_true", help="repeat the survivors")
    parser.add_argument("--module", help="repeat the survivors of this module only")
    options = parser.parse_args()
    setting = {"seed": options.seed, "count": options.count, "rooms": options.only}
    stored = (
        json.loads(options.json.read_text())
        if options.json.exists() and not options.fresh
        else {"settings": None}
    )
    if stored["settings"] != setting:
        chosen, total = sample(options.count, options.seed, options.only)
        stored = {"settings": setting, "all": total, "mutants": chosen}
        _write(stored, options.json)
    stored = summarize(stored)
    wanted = ("survived", None) if options.again or options.module else (None,)
    tasks = [
        (i, mutant, options.limit)
        for i, mutant in enumerate(stored["mutants"])
        if mutant["outcome"] in wanted and options.module in (None, mutant["module"])
    ]
    context = multiprocessing.get_context("fork")
    with TemporaryDirectory() as folder:
        os.environ |= {"NUMBA_CACHE_DIR": f"{folder}/numba", "OPENBLAS_NUM_THREADS": "1"}
        for name in PRELOADED:
            importlib.import_module(name)
        with context.Pool(options.jobs, _start_worker, (folder,)) as pool:
            for i, result in pool.imap_unordered(_work, tasks):
                stored["mutants"][i] = result
                _write(stored, options.json)
                print(
                    f"{result['outcome']:8} {result.get('seconds', 0):6.1f} s {result['module']}:{result['line']} "
                    f"{result.get('killed_by') or ''}",
                    flush=True,
                )
    stored = summarize(stored)
    _write(stored, options.json)
    print(f"{stored['score']:.1%} of the mutants were noticed: {stored['counts']}")


if __name__ == "__main__":
    main()
