"""The wheel holds all that the commands need, and nothing that doesn't belong to it."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    source = tmp_path_factory.mktemp("source")
    for name in ("onnx_ood", "cli", "models"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    target = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", target, source],
        check=True, capture_output=True, timeout=300,
    )  # fmt: skip
    (built,) = target.glob("*.whl")
    return built


def test_only_the_package_lands_in_site_packages(wheel):
    with zipfile.ZipFile(wheel) as archive:
        top = {name.split("/")[0] for name in archive.namelist()}
    assert {name for name in top if not name.endswith(".dist-info")} == {"onnx_ood"}


def test_everything_tracked_of_the_package_is_in_it(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for folder, inside in (("onnx_ood", "onnx_ood"), ("cli", "onnx_ood/cli")):
        for path in (ROOT / folder).rglob("*.py"):
            assert f"{inside}/{path.relative_to(ROOT / folder).as_posix()}" in names
    for path in (ROOT / "onnx_ood" / "reports" / "_html").glob("page.*s"):
        assert f"onnx_ood/reports/_html/{path.name}" in names
    data = [path for path in (ROOT / "models").rglob("*") if path.is_file() and "training" not in path.parts]
    for path in data:
        if "__pycache__" not in path.parts:
            assert f"onnx_ood/models/{path.relative_to(ROOT / 'models').as_posix()}" in names


def test_the_demo_runs_from_the_wheel_outside_the_checkout(wheel, tmp_path):
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    # The test of the demo covers all photos; a few of them show that it runs.
    for photo in sorted((site / "onnx_ood" / "models" / "photos").glob("*.jpg"))[6:]:
        photo.unlink()
    script = (
        "import onnx_ood; print(onnx_ood.__file__); from onnx_ood.cli.main import run; exit(run(['demo']))"
    )
    result = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[0].startswith(str(site))
    assert "inverted" in result.stdout
