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


def _module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _imports(path: Path, modules: frozenset[str]):
    """Modules of the package that a module imports, not counting imports for type checkers alone."""
    tree = ast.parse(path.read_text())
    for_types = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in for_types:
            continue
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            inside = {f"{node.module}.{alias.name}" for alias in node.names} & modules
            yield from inside or ({node.module} & modules)
        elif isinstance(node, ast.Import):
            yield from {alias.name for alias in node.names} & modules


PACKAGE = {_module(path): path for path in (ROOT / "onnx_ood").rglob("*.py")}
FOLDERS = sorted(
    {module for module, path in PACKAGE.items() if path.name == "__init__.py" and module != "onnx_ood"}
)


def _circle(arrows: dict[str, set[str]]) -> list[str] | None:
    """A circle in a graph of names, or None."""
    done: set[str] = set()
    for start in sorted(arrows):
        trail: list[str] = []
        stack = [(start, iter(sorted(arrows[start])))]
        trail.append(start)
        while stack:
            name, left = stack[-1]
            following = next((one for one in left if one not in done), None)
            if following is None:
                stack.pop()
                trail.pop()
                done.add(name)
            elif following in trail:
                return [*trail[trail.index(following) :], following]
            else:
                trail.append(following)
                stack.append((following, iter(sorted(arrows[following]))))
    return None


@pytest.mark.parametrize("folder", FOLDERS)
def test_modules_and_folders_of_a_folder_import_each_other_in_one_direction(folder):
    depth = folder.count(".") + 1
    modules = frozenset(PACKAGE)
    arrows: dict[str, set[str]] = {}
    for module, path in PACKAGE.items():
        if not module.startswith(f"{folder}."):
            continue
        child = module.split(".")[depth]
        targets = {
            other.split(".")[depth]
            for other in _imports(path, modules)
            if other.startswith(f"{folder}.") and other.split(".")[depth] != child
        }
        arrows.setdefault(child, set()).update(targets)
        for target in targets:
            arrows.setdefault(target, set())
    assert _circle(arrows) is None, " -> ".join(_circle(arrows) or ())


def test_a_circle_is_found():
    assert _circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert _circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) is None


MAX_MODULES = 25
# One role each, and as many modules as there are of what they hold.
ONE_ROLE = {"onnx_ood.detectors.methods"}


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_folder_is_a_drawer(folder):
    modules = [module for module in PACKAGE if module.rpartition(".")[0] == folder]
    assert folder in ONE_ROLE or len(modules) <= MAX_MODULES


# Names that several folders use for the same role.
ROLES = {
    "audit", "base", "charts", "config", "evaluate", "facts", "metrics", "page", "picture", "provenance", "reader",
    "registry", "result", "settings", "terminal",
}  # fmt: skip


def test_a_module_name_is_used_twice_only_for_the_same_role():
    names: dict[str, list[str]] = {}
    for module, path in PACKAGE.items():
        if path.name != "__init__.py":
            names.setdefault(path.stem, []).append(module)
    twice = {name: found for name, found in names.items() if len(found) > 1 and name not in ROLES}
    # A detector, a metric and a gate's metric of one name are about one thing.
    for name, found in list(twice.items()):
        if sum(not module.startswith("onnx_ood.detectors.methods.") for module in found) <= 1:
            del twice[name]
    assert not twice


@pytest.mark.parametrize("name", ["Float", "FloatArray", "Array", "Progress", "Estimate"])
def test_common_types_are_defined_once(name):
    defined = [
        module
        for module, path in PACKAGE.items()
        for node in ast.parse(path.read_text()).body
        if (isinstance(node, ast.ClassDef) and node.name == name)
        or (
            isinstance(node, ast.Assign)
            and any(isinstance(one, ast.Name) and one.id == name for one in node.targets)
        )
        or (isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == name)
    ]
    assert defined == ["onnx_ood._types"]


def _tests_of(path: Path) -> Path:
    inside = path.relative_to(ROOT)
    inside = inside.relative_to("onnx_ood") if inside.parts[0] == "onnx_ood" else inside
    return ROOT / "tests" / inside.parent / f"test_{inside.stem.lstrip('_')}.py"


def _behaves(path: Path) -> bool:
    """Return whether a module has code to test: a function or a method with more than a docstring."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return any(
        not isinstance(line, ast.Expr)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, functions)
        for line in node.body
    )


def test_each_module_with_functions_has_a_test_file_of_its_name():
    files = [*_files(), *(ROOT / "onnx_ood").glob("*.py")]
    missing = [
        _tests_of(path).relative_to(ROOT).as_posix()
        for path in files
        if path.name != "__init__.py" and _behaves(path) and not _tests_of(path).exists()
    ]
    assert sorted(missing) == []


def test_declarations_are_no_behaviour(tmp_path):
    module = tmp_path / "module.py"
    module.write_text('A = 1\nclass B(Protocol):\n    def f(self) -> int:\n        """Return a number."""\n')
    assert not _behaves(module)
    module.write_text("class B:\n    @property\n    def f(self):\n        return 1\n")
    assert _behaves(module)
