"""Files of gates on garments, for tests of the check audit."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import onnx_ood
from onnx_ood import models
from onnx_ood.audits.check.config import CheckPlan, read_check_file
from onnx_ood.audits.check.result import CheckResult, GateResult

CNN, RESNET = models.path("fashion_cnn"), models.path("fashion_resnet")

MODEL = """
[models.cnn]
path = "fashion_cnn.onnx"
inputs = "garments.npy"
reference = "known.npy"
ood = { inverted = "inverted.npy" }
baseline-model = "fashion_resnet.onnx"
provider = "cpu"
trajectories = 2
directions = 8
"""


def write_garments(folder: Path) -> Path:
    """Writes garments, known-good garments and inverted ones as arrays, and two models."""
    images, _ = models.fashion_samples()
    garments = (images[:, np.newaxis] / 255).astype(np.float32)
    np.save(folder / "garments.npy", garments[::10])
    np.save(folder / "known.npy", garments[1::4])
    np.save(folder / "inverted.npy", 1 - garments[::10])
    np.save(folder / "few.npy", garments[:6])
    for path in (CNN, RESNET):
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def write_plan(folder: Path, text: str, name: str = "check.toml") -> CheckPlan:
    """Writes a file of gates and reads it."""
    (folder / name).write_text(text)
    return read_check_file(folder / name)


def run_check(folder: Path, text: str) -> CheckResult:
    """Writes a file of gates and checks its models."""
    return onnx_ood.check(write_plan(folder, text))


def gates_toml(*gates: str) -> str:
    """Tables of gates."""
    return "".join(f"\n[[gates]]\n{gate}\n" for gate in gates)


def by_title(result: CheckResult) -> dict[str, GateResult]:
    """Gates by their titles."""
    return {gate.title: gate for gate in result.gates}
