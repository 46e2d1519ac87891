"""The check audit from a file to its result."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from check_files import CNN, MODEL, by_title, gates_toml, run_check, write_garments, write_plan

import onnx_ood
from onnx_ood.exceptions import UsageError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_garments(tmp_path_factory.mktemp("check"))


def test_what_cannot_be_evaluated_is_not_passed(folder: Path) -> None:
    text = MODEL.replace('inputs = "garments.npy"', 'inputs = "few.npy"').replace(
        'reference = "known.npy"', ""
    ) + gates_toml(
        'metric = "agreement"\nmin = 0',
        'metric = "jacobian-norm"\nmax = 1e9',
        'metric = "cosine-drop"\ntarget = "gone"\nmax = 1',
        'metric = "cosine-drop"\ntarget = "op:Relu"\nmax = 1',
        'metric = "auroc"\ntarget = "mahalanobis"\nmin = 0',
        'metric = "auroc"\ntarget = "energy"\nmin = 0',
        'metric = "size"\nmin = 1',
    )
    result = run_check(folder, text)
    assert (result.status, result.passed, result.not_evaluated) == ("not_evaluated", 1, 6)
    found = by_title(result)
    assert found["agreement"].reason == "6 inputs, at least 10 needed"
    assert found["jacobian-norm"].reason == "6 inputs, at least 10 needed"
    assert "gone" in found["cosine-drop of gone"].reason
    assert "5 tensors" in found["cosine-drop of op:Relu"].reason
    assert found["auroc of mahalanobis"].reason == "mahalanobis learns from references, and none are given"
    assert found["auroc of energy"].reason.startswith("fewer than 10 inputs of a set")
    assert [gate.outcome for gate in result.gates] == ["not_evaluated"] * 6 + ["passed"]
    assert all(gate.advice for gate in result.gates if gate.outcome != "passed")


def test_a_score_does_not_read_the_weights_for_a_hash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    onnx.save(
        onnx.load(CNN), tmp_path / "m.onnx", save_as_external_data=True, location="w.bin", size_threshold=0
    )
    hashed = []
    monkeypatch.setattr(
        "onnx_ood.results.provenance.file_hash", lambda path: hashed.append(path.name) or "0" * 64
    )
    np.save(tmp_path / "rows.npy", np.zeros((2, 1, 28, 28), np.float32))
    settings = onnx_ood.ScoreSettings(detectors=("deviation",), copies=1, provider="cpu", probes=("outputs",))
    assert onnx_ood.score(tmp_path / "m.onnx", [str(tmp_path / "rows.npy")], settings).scored == 2
    assert hashed == ["m.onnx"]


def test_a_path_or_a_plan_is_checked_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"[models.cnn]\npath = '{CNN}'\n" + gates_toml('metric = "size"\nmax = 300_000')
    plan = write_plan(tmp_path, text, "onnx-ood.toml")
    monkeypatch.chdir(tmp_path)
    for file in (plan, str(plan.path), plan.path, "onnx-ood.toml", None):
        result = onnx_ood.check(file)
        assert isinstance(result, onnx_ood.CheckResult)
        assert (result.status, result.gates[0].found) == ("passed", CNN.stat().st_size)
    assert result.models[0].settings["scale"] == 0.02
    with pytest.raises(UsageError, match="names no baseline; add baseline = "):
        onnx_ood.check(plan, update_baseline=True)
