"""What a run leaves on a machine: nothing that the user did not ask for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from onnx_ood import models

SCORE = [
    "-m",
    "onnx_ood",
    "score",
    str(models.path("fashion_cnn")),
    "x.npy",
    "-q",
    "--provider",
    "cpu",
    "--detectors",
    "energy",
]


@pytest.fixture
def machine(tmp_path: Path) -> dict[str, str]:
    np.save(tmp_path / "x.npy", np.random.default_rng(0).random((12, 1, 28, 28), dtype="f4"))
    folders = {"HOME": "home", "TMPDIR": "tmp", "XDG_CACHE_HOME": "home/.cache"}
    for name in folders.values():
        (tmp_path / name).mkdir(exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    return kept | {name: str(tmp_path / folder) for name, folder in folders.items()}


def test_nothing_is_left_in_the_home_and_temporary_folders(machine: dict[str, str], tmp_path: Path) -> None:
    """Without the setting, onnxruntime 1.31 writes ~/.cache/Microsoft and $TMPDIR/.ses."""
    done = subprocess.run(
        [sys.executable, *SCORE], env=machine, cwd=tmp_path, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    left = [path for folder in ("home", "tmp") for path in (tmp_path / folder).rglob("*") if path.is_file()]
    assert not [path for path in left if "Microsoft" in path.parts or path.name == ".ses"]
    assert not list((tmp_path / "tmp").iterdir())


@pytest.mark.parametrize(("given", "kept"), [(None, "1"), ("0", "0"), ("1", "1"), ("", "")])
def test_the_setting_is_made_before_onnxruntime_is_imported_and_respects_the_user(
    given: str | None, kept: str, machine: dict[str, str]
) -> None:
    script = (
        "import sys, onnx_ood, os; assert 'onnxruntime' not in sys.modules; "
        "print(repr(os.environ['ORT_DISABLE_TELEMETRY']))"
    )
    environment = machine if given is None else machine | {"ORT_DISABLE_TELEMETRY": given}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{kept!r}\n"


@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGTERM")
def test_a_terminated_run_leaves_no_weights(machine: dict[str, str], tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    with subprocess.Popen([sys.executable, *SCORE], env=machine, cwd=tmp_path, stderr=-1) as running:
        until = time.monotonic() + 60
        while not any(temporary.glob("onnx_ood-*")) and running.poll() is None and time.monotonic() < until:
            time.sleep(0.001)
        running.send_signal(signal.SIGTERM)
        _, errors = running.communicate(timeout=60)
    assert (running.returncode, errors) in {(143, b"onnx-ood: interrupted\n"), (0, b"")}
    assert not list(temporary.iterdir())
