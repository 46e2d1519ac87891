"""CONTRIBUTING.md names files that exist, and its examples of extensions touch the files that it names."""

import os
import re
import shutil
import subprocess
import sys
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text()
TABLE = TEXT[TEXT.index("## How to add") : TEXT.index("## Versioning")]
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in TABLE.splitlines()
    if ".patch](" in line
]
EXAMPLES = {re.findall(r"\]\((.*)\)", row[3])[0]: row for row in ROWS}
# Files written by hand for one thing, without its test; a command has folders of its own.
MAX_FILES = 2
NEEDS_GIT = pytest.mark.skipif(
    shutil.which("git") is None or not (ROOT / ".git").exists(),
    reason="not a checkout, or git is not installed",
)


def test_rooms_of_the_map_are_those_of_the_code():
    mapped = set(re.findall(r"^\| `([^`]+)/` \|", TEXT, flags=re.MULTILINE))
    rooms = {
        f"onnx_ood/{path.name}" for path in (ROOT / "onnx_ood").iterdir() if (path / "__init__.py").exists()
    }
    assert mapped == {"cli", *rooms}


def test_files_to_add_lie_in_folders_that_exist():
    named = re.findall(r"`((?:onnx_ood|tests|cli)/[^`]*)`", TABLE)
    assert len(named) >= 10
    for name in named:
        folder = name.split("NAME")[0].rpartition("/")[0] if "NAME" in name else name.rstrip("/")
        assert (ROOT / folder).exists(), name


def touched(patch: str) -> list[tuple[str, int, int]]:
    """Files of a patch, with the numbers of added and removed lines."""
    files = []
    for part in (ROOT / patch).read_text().split("\ndiff --git ")[1:]:
        lines = part.partition("\n@@")[2].splitlines()
        name = part.splitlines()[0].partition(" b/")[2]
        files.append((name, sum(line[:1] == "+" for line in lines), sum(line[:1] == "-" for line in lines)))
    return files


def among(name: str, cell: str) -> bool:
    """Whether a table's cell names a file: by its path, its folder, or with NAME for a part."""
    patterns = [path.replace("NAME", "*") for path in re.findall(r"`([^`]*/[^`]*)`", cell)]
    return any(fnmatchcase(name, f"{one}*" if one.endswith("/") else one) for one in patterns)


def test_every_way_to_extend_has_its_example():
    assert len(ROWS) == 5
    assert {f"docs/extending/{path.name}" for path in (ROOT / "docs/extending").glob("*.patch")} == {
        *EXAMPLES
    }


@pytest.mark.parametrize("patch", EXAMPLES)
def test_an_example_touches_the_files_that_the_table_names(patch):
    _, by_hand, generated, counts = EXAMPLES[patch]
    files = touched(patch)
    assert sum(map(int, re.findall(r"\d+", counts.partition("):")[2]))) == len(files)
    tests = [name for name, _, _ in files if name.startswith("tests/")]
    written = [name for name, _, _ in files if among(name, generated)]
    others = [name for name, _, _ in files if name not in {*tests, *written}]
    assert tests
    assert all(among(name, by_hand) for name in (*tests, *others))
    if "`onnx_ood/_audits.py`" in by_hand:
        assert ("onnx_ood/_audits.py", 1, 0) in files
        shared = [name for name in others if not re.match(r"onnx_ood/(audits|reports)/\w+/|docs/", name)]
        assert shared == ["cli/sizes.py", "onnx_ood/_audits.py"]
    else:
        assert len(others) <= MAX_FILES
        assert len(tests) == 1


@NEEDS_GIT
@pytest.mark.parametrize("patch", EXAMPLES)
def test_an_example_applies(patch):
    done = subprocess.run(
        ["git", "apply", "--check", patch], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stderr}; the commits are on the branch examples"


@NEEDS_GIT
def test_the_tests_of_examples_pass(tmp_path):
    """Those of the detector, the corruption and the metric, and the tables that list them, in a copy of the tree."""
    copied = shutil.ignore_patterns("__pycache__", "images", "real_models", "fuzz")
    for folder in ("onnx_ood", "cli", "docs", "tests"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=copied)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for name in ("action.yml", ".pre-commit-hooks.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "models").symlink_to(ROOT / "models")
    for name in ("cli", "models"):
        (tmp_path / "onnx_ood" / name).symlink_to(tmp_path / name)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "GIT_CEILING_DIRECTORIES": str(tmp_path.parent)}
    for patch in ("detector", "corruption", "metric"):
        subprocess.run(
            ["git", "apply", ROOT / "docs" / "extending" / f"{patch}.patch"],
            cwd=tmp_path,
            env=environment,
            check=True,
        )
    chosen = [
        "tests/detectors/methods/test_odin.py",
        "tests/detectors/test_registry.py::test_the_documentation_lists_all_detectors",
        "tests/detectors/test_registry.py::test_detectors_are_listed_in_their_documented_order",
        "tests/perturb/corruptions/test_dead_columns.py",
        "tests/perturb/corruptions/test_registry.py::test_families_keep_their_members_and_order",
        "tests/audits/check/test_custom_operators.py",
        "tests/test_ci_docs.py::test_every_metric_is_in_the_table_with_what_it_means_and_needs",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *chosen],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\n8 passed", done.stdout), done.stdout
