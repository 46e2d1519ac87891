"""The wheel holds all that the commands need, and nothing that doesn't belong to it."""

import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from sessions import without_progress

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


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The program, installed from the wheel into an environment that has the packages of this one."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True, timeout=60)
    (packages,) = folder.glob("[Ll]ib/**/site-packages")
    # A .pth file makes packages importable; .pth files next to them, such as that of this checkout, are not read.
    others = [path for path in sys.path if Path(path).name == "site-packages"]
    (packages / "others.pth").write_text("\n".join(others))
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", folder, "install", "--quiet", "--no-deps", "--no-index", wheel],
        check=True, capture_output=True, timeout=300,
    )  # fmt: skip
    (program,) = folder.glob("*/onnx-ood")
    return program, packages


def _start(program, home, *arguments):
    """As a new user, in another folder: nothing in the environment, nothing in the home folder."""
    return subprocess.run(
        ["env", "-i", f"HOME={home}", "PATH=/usr/bin:/bin", program, *arguments],
        cwd=home, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


@pytest.mark.skipif(shutil.which("env") is None, reason="env is not installed")
def test_an_installed_wheel_scores_in_an_empty_environment(installed, tmp_path, garments):
    program, packages = installed
    model = packages / "onnx_ood" / "models" / "fashion_cnn.onnx"
    done = _start(program, tmp_path, "score", model, garments, "--html", "page.html", "--json", "result.json")
    assert (done.returncode, without_progress(done.stderr)) == (0, "")
    assert done.stdout.startswith("12 inputs ranked by auto")
    # The card and the names of classes next to the model, and parts of the page, are in the wheel.
    assert "guess" not in done.stdout
    assert "ankle boot" in done.stdout
    assert "<style>" in (tmp_path / "page.html").read_text(encoding="utf-8")
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["model"]["path"] == str(model)


@pytest.mark.skipif(shutil.which("env") is None, reason="env is not installed")
def test_the_demo_runs_from_an_installed_wheel(installed, tmp_path):
    program, packages = installed
    # The test of the demo covers all photos; a few of them show that it runs.
    for photo in sorted((packages / "onnx_ood" / "models" / "photos").glob("*.jpg"))[6:]:
        photo.unlink()
    done = _start(program, tmp_path, "demo")
    assert done.returncode == 0, done.stderr
    assert "inverted" in done.stdout


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_builds_the_wheel_into_dist():
    plan = subprocess.run(
        ["make", "--no-print-directory", "-n", "wheel"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert re.search(r"pip .*wheel .*--no-deps --no-build-isolation --wheel-dir dist \.$", plan.strip())
