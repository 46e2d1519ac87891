"""Fixtures that all tests share."""

from __future__ import annotations

import gc
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

# Before numpy is imported, here and in processes that tests start: threads of BLAS spin while they wait, and with one
# test process per core they take most of the time from each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pytest
from hypothesis import settings
from onnx import ModelProto
from PIL import Image
from shared import once

from onnx_ood import models
from onnx_ood.evidence.user_cache import VARIABLE
from onnx_ood.runtime.providers import cuda_problem

Save = Callable[..., Path]
ROOT = Path(__file__).parents[1]
PROGRAM = ROOT / ".venv" / "bin" / "onnx-ood"
SCHEMAS = ROOT / "docs" / "schemas"

# `make test` tries the same examples every time; `make fuzz` tries new ones. The first example of some compiles code,
# and machines are shared, so none has a deadline.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("fuzz", derandomize=False, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


def pytest_configure(config: pytest.Config) -> None:
    """Keep measured features apart from the user's; processes of one run share them."""
    if VARIABLE not in os.environ:  # Workers take over what the first process has set.
        folder = TemporaryDirectory(prefix="onnx-ood-test-cache-")
        os.environ[VARIABLE] = folder.name
        config.add_cleanup(folder.cleanup)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start with tests of the whole program; skip those marked `gpu` without CUDA."""
    # These are the longest single tests. As the last ones they would leave all workers but one idle.
    items.sort(key=lambda item: item.path.parent != Path(__file__).parent)
    marked = [item for item in items if item.get_closest_marker("gpu")]
    problem = cuda_problem() if marked else None
    if problem is not None:
        for item in marked:
            item.add_marker(pytest.mark.skip(reason=f"needs a GPU: {problem}"))


def pytest_collection_finish() -> None:
    """Spare the garbage collector what is kept to the end: thousands of tests and their modules."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def save(tmp_path_factory: pytest.TempPathFactory) -> Save:
    """Writes a model to a file of its own and gives the path back."""

    def write(model: ModelProto, name: str = "model.onnx") -> Path:
        path = tmp_path_factory.mktemp("model") / name
        path.write_bytes(model.SerializeToString())
        return path

    return write


@pytest.fixture(scope="session")
def garments(tmp_path_factory):
    """A folder of twelve garments as PNG files."""
    folder = tmp_path_factory.mktemp("garments")
    images, _ = models.fashion_samples()
    for i, image in enumerate(images[::17][:12]):
        Image.fromarray(np.asarray(image)).save(folder / f"garment-{i:02}.png")
    return folder


@pytest.fixture(scope="session")
def demo_run(tmp_path_factory) -> Path:
    """A folder with what `make demo` prints, `stdout.txt`, and its result, `demo.json`: it runs once for all tests."""

    def work(folder: Path) -> None:
        options = ["--provider", "cpu", "--json", str(folder / "demo.json")]
        # As on a new machine: an empty environment, and a home folder of its own.
        environment = {"PATH": os.defpath, "HOME": str(folder)}
        if shutil.which("make") is None or Path(sys.prefix) != ROOT / ".venv":
            command = [sys.executable, "-m", "onnx_ood", "demo", *options]
        else:
            # The program that make calls, with options added.
            script = folder / "onnx-ood"
            script.write_text(f'#!/bin/sh\nexec {shlex.quote(str(PROGRAM))} "$@" {shlex.join(options)}\n')
            script.chmod(0o755)
            command = ["make", "demo", f"BIN={folder}"]
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=600
        )
        assert done.returncode == 0, done.stderr
        (folder / "stdout.txt").write_text(done.stdout, encoding="utf-8")

    return once(tmp_path_factory, "demo", work)


@pytest.fixture(scope="session")
def schema():
    """Reads a published schema by the name of its audit."""
    return lambda name: json.loads((SCHEMAS / f"{name}.json").read_text())
