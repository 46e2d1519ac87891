"""Audits run once per model, and their errors stay with their gates."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from check_files import CNN, MODEL, by_title, gates_toml, run_check, write_garments

import onnx_ood
from onnx_ood.audits.check.audit_runner import require_evaluated
from onnx_ood.audits.check.baseline import to_baseline
from onnx_ood.exceptions import ModelError, NotEvaluatedError
from onnx_ood.results.base import Failure


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_garments(tmp_path_factory.mktemp("check"))


def test_each_audit_runs_once_a_model_and_only_where_it_is_needed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = []
    real = onnx_ood.score

    def counted(*arguments, **options):
        ran.append("score")
        return real(*arguments, **options)

    monkeypatch.setattr("onnx_ood.audits.check.audit_runner.score", counted)
    for name in ("bench", "sensitivity"):
        monkeypatch.setattr(
            f"onnx_ood.audits.check.audit_runner.{name}", lambda *_, **__: pytest.fail("nobody asked for it")
        )
    gates = ['metric = "failed-inputs"\nmax = 0', 'metric = "provider"\nequals = "cpu"']
    gates += [f'metric = "flip-rate"\ntarget = "op:Relu[{i}]"\nmax = 1' for i in range(3)]
    assert run_check(folder, MODEL + gates_toml(*gates)).status == "passed"
    assert ran == ["score"]
    ran.clear()
    assert run_check(folder, MODEL + gates_toml('metric = "size"\nmin = 1')).models[0].provider is None
    assert not ran


@pytest.mark.parametrize(("key", "warned"), [("", True), ('preprocess = "unit"\n', False)])
def test_a_card_of_another_file_matters_unless_a_preprocessing_is_stated(
    tmp_path: Path, key: str, warned: bool
) -> None:
    write_garments(tmp_path)
    card = json.loads(CNN.with_suffix(".json").read_text())
    card.pop("classes", None)
    (tmp_path / "fashion_cnn.json").write_text(json.dumps(card | {"sha256": "0" * 64}))
    text = MODEL + key + gates_toml('metric = "failed-inputs"\nmax = 0')
    (model,) = run_check(tmp_path, text).models
    assert any("checksum" in note for note in model.notes) is warned


def test_a_detector_that_does_not_apply_is_not_evaluated(folder: Path) -> None:
    """The other gates are judged all the same."""
    result = run_check(
        folder,
        MODEL.replace('"fashion_cnn.onnx"', '"fashion_resnet.onnx"')
        + gates_toml(
            'metric = "auroc"\ntarget = "batch-norm"\nmin = 0',
            'metric = "auroc"\ntarget = "msp"\nmin = 0',
        ),
    )
    found = by_title(result)
    assert found["auroc of batch-norm"].outcome == "not_evaluated"
    assert "has no BatchNormalization nodes" in found["auroc of batch-norm"].reason
    assert found["auroc of msp"].outcome == "passed"
    flags = run_check(
        folder,
        MODEL.replace('"fashion_cnn.onnx"', '"fashion_resnet.onnx"\ndetector = "batch-norm"')
        + gates_toml('metric = "failed-inputs"\nmax = 0', 'metric = "flagged"\nmax = 1'),
    )
    assert by_title(flags)["failed-inputs"].outcome == "passed"
    assert "has no BatchNormalization nodes" in by_title(flags)["flagged"].reason


def test_too_few_references_leave_gates_not_evaluated(folder: Path) -> None:
    text = MODEL.replace('"known.npy"', '"few.npy"') + gates_toml(
        'metric = "flagged"\nmax = 1',
        'metric = "auroc"\ntarget = "knn"\nmin = 0',
        'metric = "flip-rate"\ntarget = "op:Relu[0]"\nmax = 1',
    )
    result = run_check(folder, text)
    assert (result.status, result.not_evaluated) == ("not_evaluated", 3)
    assert all("6 references" in gate.reason for gate in result.gates)


def test_a_model_that_breaks_is_run_once_and_leaves_the_others(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = []
    real = onnx_ood.score

    def broken(model, *arguments, **options):
        ran.append(model.path.name)
        if model.path.name == "fashion_cnn.onnx":
            raise ModelError("it fell over")
        return real(model, *arguments, **options)

    monkeypatch.setattr("onnx_ood.audits.check.audit_runner.score", broken)
    text = MODEL + '[models.net]\npath = "fashion_resnet.onnx"\ninputs = "garments.npy"\nprovider = "cpu"\n'
    text += gates_toml(
        'metric = "failed-inputs"\nmax = 0',
        'metric = "observer-effect"\nmax = 1',
        'metric = "opset"\nmin = 1',
    )
    result = run_check(folder, text)
    assert (result.status, result.errors, result.passed) == ("error", 2, 4)
    assert result.problems == ("cnn: it fell over",)
    assert ran == ["fashion_cnn.onnx", "fashion_resnet.onnx"]
    with pytest.raises(NotEvaluatedError, match="no baseline of a check with errors; cnn: it fell over"):
        to_baseline(result)
    assert {gate.outcome for gate in result.gates if gate.model == "net"} == {"passed"}
    (cnn, _) = result.models
    assert (cnn.model.path, cnn.provider) == ((folder / "fashion_cnn.onnx").as_posix(), None)


@pytest.mark.parametrize(
    ("failures", "text"),
    [
        ([], "3 of 1,203 inputs could be measured; first failed input: there are no inputs"),
        (
            [Failure(id="a.png", reason="is empty"), Failure(id="b.png", reason="is gone")],
            "3 of 1,203 inputs could be measured; first failed input: a.png: is empty",
        ),
    ],
)
def test_too_few_inputs_are_counted(failures: list[Failure], text: str) -> None:
    """Three measured and 1,200 failed make 1,203."""
    result = SimpleNamespace(status="not_evaluated", scored=3, unscored=1200, failed=failures, notes=())
    with pytest.raises(NotEvaluatedError) as caught:
        require_evaluated(result)
    assert str(caught.value) == text
    assert require_evaluated(scored := SimpleNamespace(status="scored", notes=())) is scored


def test_a_target_that_selects_nothing_leaves_the_others(folder: Path) -> None:
    gates = [
        f'metric = "flip-rate"\ntarget = "{one}"\nmax = 1' for one in ("op:Sinh", "op:Relu[0]", "op:Conv[0]")
    ]
    result = run_check(folder, MODEL + gates_toml(*gates))
    assert {gate.target: gate.outcome for gate in result.gates} == {
        "op:Sinh": "not_evaluated",
        "op:Relu[0]": "passed",
        "op:Conv[0]": "passed",
    }
