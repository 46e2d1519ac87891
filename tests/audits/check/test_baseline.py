"""Baselines: what they hold, and what changed since."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path

import numpy as np
import onnx
import pytest
from check_files import CNN, MODEL, by_title, gates_toml, run_check, write_garments, write_plan
from check_results import gate_result
from onnx import numpy_helper

import onnx_ood
from onnx_ood.audits.check.baseline import Baseline, BaselineModel, baseline_metric, to_baseline
from onnx_ood.exceptions import UsageError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_garments(tmp_path_factory.mktemp("check"))


BASED = 'baseline = "base.json"\n' + MODEL


def _model(**changed: object) -> BaselineModel:
    config = {"sha256": "a", "settings": {"seed": 0, "scale": 0.02}, "onnx_ood": "1", "onnxruntime": "1.31.1"}
    return BaselineModel.model_validate(
        {**config, "provider": "cpu", "tf32": False, "metrics": {}, **changed}
    )


@pytest.mark.parametrize(
    ("changed", "config"),
    [
        ({}, []),
        ({"sha256": "b"}, []),
        ({"onnxruntime": "1.30"}, ["onnxruntime 1.31.1, now 1.30"]),
        ({"provider": "cuda"}, ["provider cpu, now cuda"]),
        ({"provider": None}, []),
        ({"tf32": True}, ["tf32 False, now True"]),
        ({"settings": {"seed": 1, "copies": 4, "scale": 0.02}}, ["different settings: copies, seed"]),
    ],
)
def test_differences_from_a_baseline_are_listed(changed: dict[str, object], config: list[str]) -> None:
    assert _model().differences(_model(**changed)) == config


def test_a_baseline_is_kept_and_compared_with(folder: Path) -> None:
    gates = gates_toml(
        'metric = "flip-rate"\ntarget = "op:Relu[0]"\nbaseline = true',
        'metric = "size"\nbaseline = true',
        'metric = "failed-inputs"\nmax = 0',
    )
    (folder / "base.json").unlink(missing_ok=True)
    first = run_check(folder, BASED + gates)
    assert (first.passed, first.not_evaluated) == (1, 2)
    assert "No baseline yet" in first.notes[0]

    plan = write_plan(folder, BASED + gates)
    updated = onnx_ood.check(plan, update_baseline=True)
    assert updated.status == "passed"
    kept = to_baseline(updated)
    assert to_baseline(onnx_ood.check(plan, update_baseline=True)) == kept
    (folder / "base.json").write_text(kept.model_dump_json(by_alias=True))
    assert set(kept.models["cnn"].metrics) == {"failed-inputs", "flip-rate of op:Relu[0]", "size"}
    again = run_check(folder, BASED + gates)
    assert again.status == "passed"
    assert again.notes == ("cnn: the baseline is of the same model file.",)

    # Another seed is said where it matters: not of the file's size.
    otherwise = run_check(folder, BASED.replace("directions = 8", "directions = 8\nseed = 1") + gates)
    assert otherwise.notes == (
        "cnn: the baseline is of the same model file, and was measured differently: different settings: seed.",
    )
    seeded = by_title(otherwise)
    assert "different settings: seed" in seeded["flip-rate of op:Relu[0]"].notes[-1]
    assert not seeded["size"].notes
    assert not seeded["failed-inputs"].notes

    # A changed model is what gates are for: the hash may differ, the metrics may not.
    model = onnx.load(folder / "fashion_cnn.onnx")
    first_weights = next(one for one in model.graph.initializer if len(one.dims) == 4)
    zeros = np.zeros_like(numpy_helper.to_array(first_weights))
    first_weights.CopyFrom(numpy_helper.from_array(zeros, first_weights.name))
    onnx.save(model, folder / "broken.onnx")
    broken = run_check(folder, BASED.replace('"fashion_cnn.onnx"', '"broken.onnx"') + gates)
    assert by_title(broken)["flip-rate of op:Relu[0]"].outcome == "failed"
    assert "a different model file" in broken.notes[0]

    # A number that nothing is larger than would let everything pass.
    endless = kept.model_dump_json(by_alias=True).replace('"high":', '"high":Infinity,"_":', 1)
    endless = re.sub(r'Infinity,"_":[^,]*', "Infinity", endless)
    undefined = re.sub(r'"value":[^,]*', '"value":NaN', kept.model_dump_json(by_alias=True), count=1)
    other = '{"schema": "onnx-ood/baseline/2", "models": {}, "date": 1}'
    for damaged in ("{", "[]", other, endless, undefined):
        (folder / "base.json").write_text(damaged)
        with pytest.raises(UsageError, match=r"base\.json: not a baseline"):
            run_check(folder, BASED + gates)


def test_a_detector_with_other_terms_is_noted(folder: Path) -> None:
    """The baseline is edited as if `auto` had lacked its uncertainty then."""
    gates = gates_toml(
        'metric = "flagged"\nbaseline = true',
        'metric = "auroc"\ntarget = "auto"\nset = "inverted"\nbaseline = true',
        'metric = "auroc"\ntarget = "energy"\nset = "inverted"\nbaseline = true',
    )
    text = 'baseline = "terms.json"\n' + MODEL + gates
    kept = to_baseline(onnx_ood.check(write_plan(folder, text), update_baseline=True))
    scored = onnx_ood.score(
        folder / "fashion_cnn.onnx",
        folder / "garments.npy",
        reference=folder / "known.npy",
        provider="cpu",
        detectors="auto",
    )
    terms = tuple(name for _, name in scored.terms)
    assert "uncertainty" in terms
    assert len(terms) > 1
    metrics = kept.models["cnn"].metrics
    assert metrics["flagged"].terms == metrics["auroc of auto on inverted"].terms == terms
    assert metrics["auroc of energy on inverted"].terms == ()

    (folder / "terms.json").write_text(kept.model_dump_json(by_alias=True))
    assert not any(
        "another detector" in note for gate in run_check(folder, text).gates for note in gate.notes
    )
    others = tuple(one for one in terms if one != "uncertainty")
    edited = {
        name: one.model_copy(update={"terms": others if one.terms else ()}) for name, one in metrics.items()
    }
    model = kept.models["cnn"].model_copy(update={"metrics": edited})
    (folder / "terms.json").write_text(Baseline(models={"cnn": model}).model_dump_json(by_alias=True))
    after = by_title(run_check(folder, text))
    for title in ("flagged", "auroc of auto on inverted"):
        assert after[title].notes[-1] == (
            f"the baseline is of another detector: its terms were {', '.join(others)}, now {', '.join(terms)}"
        )
    assert not after["auroc of energy on inverted"].notes


def test_weights_beside_the_model_file_are_part_of_the_model(tmp_path: Path) -> None:
    model = onnx.load(CNN)
    onnx.save(model, tmp_path / "m.onnx", save_as_external_data=True, location="w.bin", size_threshold=0)
    text = 'baseline = "b.json"\n[models.m]\npath = "m.onnx"\n'
    text += gates_toml('metric = "size"\nbaseline = true')
    plan = write_plan(tmp_path, text)
    first = onnx_ood.check(plan, update_baseline=True)
    stored = to_baseline(first)
    weights = tmp_path / "w.bin"
    digests = {"w.bin": sha256(weights.read_bytes()).hexdigest()}
    assert first.models[0].external_data == stored.models["m"].external_data == digests
    (tmp_path / "b.json").write_text(stored.model_dump_json(by_alias=True))
    assert onnx_ood.check(plan).notes == ("m: the baseline is of the same model file.",)
    changed = bytearray(weights.read_bytes())
    changed[-1] ^= 1
    weights.write_bytes(changed)
    again = onnx_ood.check(plan)
    assert again.notes == ("m: the baseline is of the same model file with different external weights.",)
    # The hash of the file itself is what it was: cards and other results name that one.
    assert again.models[0].model == first.models[0].model
    assert again.models[0].model.sha256 == sha256((tmp_path / "m.onnx").read_bytes()).hexdigest()


def test_metrics_of_too_few_inputs_are_in_no_baseline(folder: Path) -> None:
    text = 'baseline = "few.json"\n' + MODEL.replace('inputs = "garments.npy"', 'inputs = "few.npy"')
    text += gates_toml(
        'metric = "flip-rate"\ntarget = "op:Relu[0]"\nbaseline = true', 'metric = "size"\nmin = 1'
    )
    result = onnx_ood.check(write_plan(folder, text), update_baseline=True)
    baseline = to_baseline(result)
    assert by_title(result)["flip-rate of op:Relu[0]"].reason == "6 inputs, at least 10 needed"
    assert set(baseline.models["cnn"].metrics) == {"size"}


def test_a_metric_that_is_not_finite_is_not_evaluated_and_in_no_baseline(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = onnx_ood.score

    def without_numbers(*arguments, **options):
        result = real(*arguments, **options)
        silent = tuple(one.model_copy(update={"drop": (None,)}) for one in result.inputs)
        run = result.run.model_copy(update={"observer_effect": float("nan")})
        return result.model_copy(update={"inputs": silent, "run": run})

    monkeypatch.setattr("onnx_ood.audits.check.audit_runner.score", without_numbers)
    text = 'baseline = "b.json"\n' + MODEL
    text += gates_toml(
        'metric = "cosine-drop"\ntarget = "op:Relu[0]"\nmax = 1',
        'metric = "observer-effect"\nmax = 1',
        'metric = "size"\nbaseline = true',
    )
    result = onnx_ood.check(write_plan(folder, text), update_baseline=True)
    baseline = to_baseline(result)
    found = by_title(result)
    assert found["cosine-drop of op:Relu[0]"].reason.endswith("the metric is undefined for all inputs")
    assert found["observer-effect"].reason == "the value is not finite"
    assert (found["observer-effect"].found, found["observer-effect"].shown) == (None, "-")
    assert (result.passed, result.not_evaluated) == (1, 2)
    assert set(baseline.models["cnn"].metrics) == {"size"}
    (folder / "b.json").write_text(baseline.model_dump_json(by_alias=True))
    assert by_title(run_check(folder, text))["size"].outcome == "passed"


@pytest.mark.parametrize(
    ("changed", "stored"),
    [
        ({}, True),
        ({"found": None}, False),
        ({"found": ("Relu", "Conv")}, False),
        ({"inputs": 9}, False),
        ({"inputs": 10}, True),
        ({"inputs": None}, True),
        ({"found": "cpu"}, True),
    ],
)
def test_only_values_of_enough_inputs_are_stored(changed: dict[str, object], stored: bool) -> None:
    """The gate needs ten inputs."""
    gate = gate_result("passed").model_copy(update={"min_inputs": 10, **changed})
    found = baseline_metric(gate)
    assert (found is not None) is stored
    if found is not None:
        assert (found.value, found.low, found.high, found.inputs) == (
            gate.found,
            gate.low,
            gate.high,
            gate.inputs,
        )


def test_everything_that_changed_is_listed() -> None:
    then, now = _model(), _model(onnxruntime="1.30", provider="cuda", settings={"seed": 1, "batch_size": 2})
    assert then.differences(now) == [
        "onnxruntime 1.31.1, now 1.30",
        "provider cpu, now cuda",
        "different settings: batch-size, scale, seed",
    ]
    assert then.compare_files(now) == "the same model file"
    weights = then.model_copy(update={"external_data": {"w": "c"}})
    assert then.compare_files(weights) == "the same model file with different external weights"
    assert then.compare_files(_model(sha256="b")) == "a different model file"
