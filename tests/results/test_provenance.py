"""Facts of the model file, versions of the software, and where nodes ran."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

import onnx
import pytest

from onnx_ood import load, models
from onnx_ood.exceptions import ModelError
from onnx_ood.results import provenance


def test_facts_are_those_of_the_file() -> None:
    path = models.path("fashion_cnn")
    proto = onnx.load(path)
    facts = provenance.model_facts(load(path))
    assert facts.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert facts.size == path.stat().st_size
    assert facts.opsets == {one.domain or "ai.onnx": one.version for one in proto.opset_import}
    assert facts.producer == f"{proto.producer_name} {proto.producer_version}".strip()


def test_hashes_of_external_data_are_those_of_sha256sum(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    onnx.save(
        onnx.load(models.path("fashion_cnn")),
        path,
        save_as_external_data=True,
        location="w.bin",
        size_threshold=0,
    )
    program = shutil.which("sha256sum")
    if program is None:
        pytest.skip("sha256sum is not installed")
    expected = subprocess.run(
        [program, tmp_path / "w.bin"], capture_output=True, text=True, check=True
    ).stdout.split()[0]
    assert provenance.external_hashes(load(path)) == {"w.bin": expected}
    assert provenance.external_hashes(load(models.path("fashion_cnn"))) == {}


def test_a_missing_file_is_a_model_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"gone\.onnx: cannot be read: No such file"):
        provenance.file_hash(tmp_path / "gone.onnx")


def test_versions_are_the_installed_ones() -> None:
    found = provenance.environment()
    assert (found.onnx_ood, found.onnx, found.numpy) == tuple(map(version, ("onnx_ood", "onnx", "numpy")))


@pytest.mark.parametrize(
    ("names", "start"),
    [
        (["a"], "1 added node ran on the CPU instead of the GPU (a)."),
        (["a", "b", "c"], "3 added nodes ran on the CPU instead of the GPU (a, b, c)."),
        (["a", "b", "c", "d"], "4 added nodes ran on the CPU instead of the GPU (a, b, c, ...)."),
    ],
)
def test_nodes_on_the_wrong_provider_are_named_and_counted(names: list[str], start: str) -> None:
    assert provenance.fallback_report(names).startswith(start)


def test_placements_are_counted() -> None:
    assert provenance.placement_text({"CUDA": 2, "CPU": 1}) == "2 nodes on CUDA, 1 node on CPU"
