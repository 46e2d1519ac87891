"""The check audit: its figures are those that the audits give, its rules those that are written down."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from scipy import stats

import onnx_ood
from onnx_ood import models
from onnx_ood.audits.check.agreement import compare_answers
from onnx_ood.audits.check.baseline import BaselineModel
from onnx_ood.audits.check.config import CheckPlan, read_check_file
from onnx_ood.audits.check.metrics import METRICS
from onnx_ood.audits.check.result import CheckResult, GateResult
from onnx_ood.exceptions import ModelError, NotEvaluatedError, UsageError

CNN, RESNET = models.path("fashion_cnn"), models.path("fashion_resnet")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Garments, known-good garments and inverted ones as arrays, and two models."""
    folder = tmp_path_factory.mktemp("check")
    images, _ = models.fashion_samples()
    garments = (images[:, np.newaxis] / 255).astype(np.float32)
    np.save(folder / "garments.npy", garments[::10])
    np.save(folder / "known.npy", garments[1::4])
    np.save(folder / "inverted.npy", 1 - garments[::10])
    np.save(folder / "few.npy", garments[:6])
    for path in (CNN, RESNET):
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


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


def _plan(folder: Path, text: str, name: str = "check.toml") -> CheckPlan:
    (folder / name).write_text(text)
    return read_check_file(folder / name)


def _check(folder: Path, text: str) -> CheckResult:
    return onnx_ood.check(_plan(folder, text)).result


def _gates(*lines: str) -> str:
    return "".join(f"\n[[gates]]\n{line}\n" for line in lines)


def _by_title(result: CheckResult) -> dict[str, GateResult]:
    return {gate.title: gate for gate in result.gates}


def test_figures_are_those_of_the_audits(folder: Path) -> None:
    """Each is compared with what the audit by itself gives, or with numpy."""
    result = _check(
        folder,
        MODEL
        + _gates(
            'metric = "auroc"\ntarget = "energy"\nset = "inverted"\nmin = 0',
            'metric = "auroc"\ntarget = "energy"\nmin = 0',
            'metric = "flagged"\nmax = 1',
            'metric = "cosine-drop"\ntarget = "op:Relu[1]"\nmax = 1',
            'metric = "flip-rate"\ntarget = "op:Relu[1]"\nmax = 1',
            'metric = "distortion"\ntarget = "op:Relu[1]"\nmin = 0',
            'metric = "above-noise"\ntarget = "op:Relu[1]"\nequals = 1',
            'metric = "parameters"\nmin = 1',
            'metric = "jacobian-norm"\nmax = 1e9',
            'metric = "transition-density"\ntarget = "random"\nmax = 1e9\nmin-inputs = 2',
            'metric = "agreement"\nmin = 0',
            'metric = "observer-effect"\nmax = 1',
            'metric = "failed-inputs"\nmax = 0',
            'metric = "provider"\nequals = "cpu"',
            'metric = "size"\nmin = 1',
            'metric = "opset"\nequals = 17',
            'metric = "operators"\nforbid = "Loop"',
            'metric = "nan-weights"\nequals = 0',
            'metric = "infinite-weights"\nequals = 0',
        ),
    )
    assert result.status == "passed"
    assert {gate.figure for gate in result.gates} == set(METRICS)
    found = _by_title(result)
    inputs, path = [str(folder / "garments.npy")], folder / "fashion_cnn.onnx"

    settings = onnx_ood.BenchSettings(detectors=("energy",), provider="cpu")
    sets = {"inverted": [str(folder / "inverted.npy")]}
    (detector,) = onnx_ood.bench(
        path, inputs, sets, settings, reference=[str(folder / "known.npy")]
    ).detectors
    area = detector.figures[0].auroc
    gate = found["auroc of energy on inverted"]
    assert (gate.found, gate.low, gate.high, gate.inputs) == (area.value, area.low, area.high, 20)
    assert found["auroc of energy"].found == detector.macro.value

    relu = [node.output[0] for node in onnx.load(path).graph.node if node.op_type == "Relu"][1]
    judged = onnx_ood.score(
        path,
        inputs,
        onnx_ood.ScoreSettings(detectors=("auto",), bundled_reference=False, probes=(relu,), provider="cpu"),
        reference=[str(folder / "known.npy")],
    )
    assert found["flagged"].found == judged.flagged / 20
    assert found["cosine-drop of op:Relu[1]"].found == np.median([one.drop[0] for one in judged.inputs])
    assert found["flip-rate of op:Relu[1]"].found == np.median([one.flip_rate[0] for one in judged.inputs])
    assert found["distortion of op:Relu[1]"].found == np.median([one.distortion[0] for one in judged.inputs])
    above = found["above-noise of op:Relu[1]"]
    assert (above.found, above.inputs) == (judged.probes[0].above_floor, 20)
    exact = stats.binomtest(20, 20).proportion_ci(method="exact")
    assert (above.low, above.high) == pytest.approx((exact.low, exact.high), abs=1e-9)
    assert found["observer-effect"].found == judged.run.observer_effect

    other = onnx_ood.score(
        folder / "fashion_resnet.onnx",
        inputs,
        onnx_ood.ScoreSettings(detectors=("deviation",), probes=("outputs",), copies=1, provider="cpu"),
    )
    answers = [{one.id: one.prediction.index for one in each.inputs} for each in (judged, other)]
    same = np.mean([answers[0][name] == answers[1][name] for name in answers[0]])
    assert found["agreement"].found == same

    (audit,) = onnx_ood.sensitivity(
        [path], inputs, onnx_ood.SensitivitySettings(directions=8, trajectories=2, provider="cpu")
    ).models
    assert found["jacobian-norm"].found == audit.jacobian.norm.mean
    (random,) = [one for one in audit.trajectory_types if one.type == "random"]
    assert (found["transition-density of random"].found, random.density.count) == (random.density.mean, 2)

    assert found["size"].found == path.stat().st_size
    assert found["parameters"].found == sum(
        numpy_helper.to_array(one).size for one in onnx.load(path).graph.initializer
    )
    assert "Conv" in found["operators"].found


def test_each_audit_runs_once_a_model_and_only_where_it_is_needed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = []
    real = onnx_ood.score

    def counted(*arguments, **options):
        ran.append("score")
        return real(*arguments, **options)

    monkeypatch.setattr("onnx_ood.audits.check.runs.score", counted)
    for name in ("bench", "sensitivity"):
        monkeypatch.setattr(
            f"onnx_ood.audits.check.runs.{name}", lambda *_, **__: pytest.fail("nobody asked for it")
        )
    gates = ['metric = "failed-inputs"\nmax = 0', 'metric = "provider"\nequals = "cpu"']
    gates += [f'metric = "flip-rate"\ntarget = "op:Relu[{i}]"\nmax = 1' for i in range(3)]
    assert _check(folder, MODEL + _gates(*gates)).status == "passed"
    assert ran == ["score"]
    ran.clear()
    assert _check(folder, MODEL + _gates('metric = "size"\nmin = 1')).models[0].provider is None
    assert not ran


def test_what_can_t_be_told_is_not_passed(folder: Path) -> None:
    text = MODEL.replace('inputs = "garments.npy"', 'inputs = "few.npy"').replace(
        'reference = "known.npy"', ""
    ) + _gates(
        'metric = "agreement"\nmin = 0',
        'metric = "jacobian-norm"\nmax = 1e9',
        'metric = "cosine-drop"\ntarget = "gone"\nmax = 1',
        'metric = "cosine-drop"\ntarget = "op:Relu"\nmax = 1',
        'metric = "auroc"\ntarget = "mahalanobis"\nmin = 0',
        'metric = "auroc"\ntarget = "energy"\nmin = 0',
        'metric = "size"\nmin = 1',
    )
    result = _check(folder, text)
    assert (result.status, result.passed, result.not_evaluated) == ("not evaluated", 1, 6)
    found = _by_title(result)
    assert found["agreement"].reason == "6 inputs, and 10 is the least"
    assert found["jacobian-norm"].reason == "6 inputs, and 10 is the least"
    assert "gone" in found["cosine-drop of gone"].reason
    assert "5 tensors" in found["cosine-drop of op:Relu"].reason
    assert found["auroc of mahalanobis"].reason == "mahalanobis learns from references, and none are given"
    assert found["auroc of energy"].reason.startswith("fewer than 10 inputs of a set")
    assert [gate.outcome for gate in result.gates] == ["not evaluated"] * 6 + ["passed"]
    assert all(gate.advice for gate in result.gates if gate.outcome != "passed")


def test_a_detector_that_does_not_apply_is_not_evaluated(folder: Path) -> None:
    """The other gates are judged all the same."""
    result = _check(
        folder,
        MODEL.replace('"fashion_cnn.onnx"', '"fashion_resnet.onnx"')
        + _gates(
            'metric = "auroc"\ntarget = "batch_norm"\nmin = 0',
            'metric = "auroc"\ntarget = "msp"\nmin = 0',
        ),
    )
    found = _by_title(result)
    assert found["auroc of batch_norm"].outcome == "not evaluated"
    assert "it has no BatchNormalization nodes" in found["auroc of batch_norm"].reason
    assert found["auroc of msp"].outcome == "passed"
    flags = _check(
        folder,
        MODEL.replace('"fashion_cnn.onnx"', '"fashion_resnet.onnx"\ndetector = "batch_norm"')
        + _gates('metric = "failed-inputs"\nmax = 0', 'metric = "flagged"\nmax = 1'),
    )
    assert _by_title(flags)["failed-inputs"].outcome == "passed"
    assert "it has no BatchNormalization nodes" in _by_title(flags)["flagged"].reason


def test_too_few_references_leave_gates_not_evaluated(folder: Path) -> None:
    text = MODEL.replace('"known.npy"', '"few.npy"') + _gates(
        'metric = "flagged"\nmax = 1',
        'metric = "auroc"\ntarget = "knn"\nmin = 0',
        'metric = "flip-rate"\ntarget = "op:Relu[0]"\nmax = 1',
    )
    result = _check(folder, text)
    assert (result.status, result.not_evaluated) == ("not evaluated", 3)
    assert all("6 references" in gate.reason for gate in result.gates)


def test_nudges_too_small_to_be_told_from_rounding_are_found_out(folder: Path) -> None:
    text = MODEL.replace("trajectories = 2", "scale = 1e-8") + _gates(
        'metric = "above-noise"\ntarget = "op:Relu[0]"\nmin = 0.9',
        'metric = "distortion"\ntarget = "op:Relu[0]"\nmin = 0',
    )
    found = _by_title(_check(folder, text))
    gate = found["above-noise of op:Relu[0]"]
    assert (gate.outcome, gate.inputs) == ("failed", 20)
    assert gate.found < 0.9
    assert any("the noise floor is" in note for note in gate.notes)
    assert any("not above the noise floor" in note for note in found["distortion of op:Relu[0]"].notes)


def test_flags_of_references_themselves_are_not_evaluated(folder: Path) -> None:
    flagged = _gates('metric = "flagged"\nmax = 1')
    text = MODEL.replace('inputs = "garments.npy"', 'inputs = ["garments.npy", "./known.npy"]')
    (gate,) = _check(folder, text + flagged).gates
    assert gate.outcome == "not evaluated"
    assert "known.npy is among the inputs and among the references" in gate.reason
    assert _check(folder, MODEL + flagged).status == "passed"


@pytest.mark.parametrize(
    ("key", "least"),
    [("limit", 1), ("copies", 1), ("directions", 2), ("trajectories", 1), ("seed", 0), ("batch-size", 1)],
)
def test_settings_have_a_least_value(tmp_path: Path, key: str, least: int) -> None:
    text = '[models.m]\npath = "m.onnx"\n{} = {}\n' + _gates('metric = "size"\nmax = 1')
    config = _plan(tmp_path, text.format(key, least)).config.models["m"]
    assert getattr(config, key.replace("-", "_")) == least
    with pytest.raises(UsageError, match=rf"line 3: models\.m\.{key}: .*{least}"):
        _plan(tmp_path, text.format(key, least - 1))


def test_so_few_references_that_nothing_can_be_flagged_are_not_evaluated(folder: Path) -> None:
    np.save(folder / "twelve.npy", np.load(folder / "known.npy")[:12])
    text = MODEL.replace('"known.npy"', '"twelve.npy"') + _gates('metric = "flagged"\nmax = 1')
    (gate,) = _check(folder, text).gates
    assert gate.outcome == "not evaluated"
    assert "nothing can be flagged at a rate of 0.05" in gate.reason


def test_inputs_that_fail_are_counted(folder: Path) -> None:
    garments = np.load(folder / "garments.npy")
    garments[:7] = np.nan
    np.save(folder / "broken.npy", garments)
    text = MODEL.replace('inputs = "garments.npy"', 'inputs = ["broken.npy", "missing.npy"]')
    (gate,) = _check(folder, text + _gates('metric = "failed-inputs"\nmax = 0.1')).gates
    assert (gate.outcome, gate.found, gate.inputs) == ("failed", 8 / 21, 21)
    assert "missing.npy" in gate.notes[0]


def test_where_nothing_can_be_measured_the_first_input_is_named(folder: Path) -> None:
    np.save(folder / "nothing.npy", np.full((12, 1, 28, 28), np.nan, np.float32))
    text = MODEL.replace('inputs = "garments.npy"', 'inputs = "nothing.npy"')
    gates = _gates('metric = "observer-effect"\nmax = 1', 'metric = "failed-inputs"\nmax = 0')
    found = _by_title(_check(folder, text + gates))
    assert found["observer-effect"].outcome == "not evaluated"
    first = f"{(folder / 'nothing.npy').as_posix()}[0]: holds NaN"
    assert (
        f"0 of 12 inputs could be measured; the first that failed: {first}" in found["observer-effect"].reason
    )
    assert (found["failed-inputs"].outcome, found["failed-inputs"].found) == ("failed", 1)


def test_an_input_that_one_model_cannot_answer_is_answered_otherwise(folder: Path) -> None:
    settings = onnx_ood.ScoreSettings(detectors=("deviation",), copies=1, provider="cpu")
    one = onnx_ood.score(CNN, [str(folder / "garments.npy")], settings)
    assert compare_answers(one, one) == (20, 20)
    lacking = one.model_copy(update={"inputs": one.inputs[:15]})
    assert compare_answers(one, lacking) == compare_answers(lacking, one) == (15, 20)
    turned = one.inputs[0].prediction.model_copy(update={"index": 99})
    changed = (one.inputs[0].model_copy(update={"prediction": turned}), *one.inputs[1:])
    assert compare_answers(one, one.model_copy(update={"inputs": changed})) == (19, 20)
    silent = tuple(entry.model_copy(update={"prediction": None}) for entry in one.inputs)
    with pytest.raises(NotEvaluatedError, match="class scores"):
        compare_answers(one, one.model_copy(update={"inputs": silent}))
    nothing = one.model_copy(update={"inputs": ()})
    with pytest.raises(NotEvaluatedError, match="neither"):
        compare_answers(nothing, nothing)


def _model(**changed: object) -> BaselineModel:
    config = {"sha256": "a", "settings": {"seed": 0, "scale": 0.02}, "onnx_ood": "1", "onnxruntime": "1.31.1"}
    return BaselineModel.model_validate(
        {**config, "provider": "cpu", "tf32": False, "figures": {}, **changed}
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
        ({"settings": {"seed": 1, "copies": 4, "scale": 0.02}}, ["other settings: copies, seed"]),
    ],
)
def test_a_baseline_that_was_measured_otherwise_says_how(
    changed: dict[str, object], config: list[str]
) -> None:
    assert _model().differences(_model(**changed)) == config


BASED = 'baseline = "base.json"\n' + MODEL


def test_a_baseline_is_kept_and_compared_with(folder: Path) -> None:
    gates = _gates(
        'metric = "flip-rate"\ntarget = "op:Relu[0]"\nbaseline = true',
        'metric = "size"\nbaseline = true',
        'metric = "failed-inputs"\nmax = 0',
    )
    (folder / "base.json").unlink(missing_ok=True)
    first = _check(folder, BASED + gates)
    assert (first.passed, first.not_evaluated) == (1, 2)
    assert "no baseline yet" in first.notes[0]

    plan = _plan(folder, BASED + gates)
    kept = onnx_ood.check(plan, update_baseline=True)
    assert kept.result.status == "passed"
    assert onnx_ood.check(plan, update_baseline=True).baseline == kept.baseline
    (folder / "base.json").write_text(kept.baseline.model_dump_json(by_alias=True))
    assert set(kept.baseline.models["cnn"].figures) == {"failed-inputs", "flip-rate of op:Relu[0]", "size"}
    again = _check(folder, BASED + gates)
    assert again.status == "passed"
    assert again.notes == ("cnn: the baseline is of the same model file.",)

    # Another seed is said where it matters: not of the file's size.
    otherwise = _check(folder, BASED.replace("directions = 8", "directions = 8\nseed = 1") + gates)
    assert otherwise.notes == (
        "cnn: the baseline is of the same model file, and measured otherwise: other settings: seed.",
    )
    seeded = _by_title(otherwise)
    assert "other settings: seed" in seeded["flip-rate of op:Relu[0]"].notes[-1]
    assert not seeded["size"].notes
    assert not seeded["failed-inputs"].notes

    # A changed model is what gates are for: the hash may differ, the figures may not.
    model = onnx.load(folder / "fashion_cnn.onnx")
    first_weights = next(one for one in model.graph.initializer if len(one.dims) == 4)
    zeros = np.zeros_like(numpy_helper.to_array(first_weights))
    first_weights.CopyFrom(numpy_helper.from_array(zeros, first_weights.name))
    onnx.save(model, folder / "broken.onnx")
    broken = _check(folder, BASED.replace('"fashion_cnn.onnx"', '"broken.onnx"') + gates)
    assert _by_title(broken)["flip-rate of op:Relu[0]"].outcome == "failed"
    assert "another model file" in broken.notes[0]

    # A number that nothing is larger than would let everything pass.
    endless = kept.baseline.model_dump_json(by_alias=True).replace('"high":', '"high":Infinity,"_":', 1)
    endless = re.sub(r'Infinity,"_":[^,]*', "Infinity", endless)
    undefined = re.sub(r'"value":[^,]*', '"value":NaN', kept.baseline.model_dump_json(by_alias=True), count=1)
    other = '{"schema": "onnx-ood/baseline/1", "models": {}, "date": 1}'
    for damaged in ("{", "[]", other, endless, undefined):
        (folder / "base.json").write_text(damaged)
        with pytest.raises(UsageError, match=r"base\.json: is no baseline"):
            _check(folder, BASED + gates)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[[gates]]\nfigure = "size"\nmax = 1', "line 1: models: Field required"),
        ('[models.a]\npath = "a"', "line 1: gates: Field required"),
        ('[models.a]\npath = "a"\ninput = "x"\n[[gates]]', "line 3: models.a.input: Extra inputs"),
        ('[models.a]\npath = "a"\ndetector = "x"\nGATE', "line 3: models.a.detector: there is no detector 'x'"),
        ('[models.a]\npath = "a"\nscale = -1\n[[gates]]\nfigure = "size"', "line 3: models.a.scale: Input should be g"),
        ('[models.a]\npath = "a"\nbatch_size = 1\n[[gates]]', "line 3: models.a.batch_size: Extra inputs"),
        ('MODEL[[gates]]\nfigure = "sice"', "line 4: gates.0.figure: there is no figure 'sice'"),
        ('MODEL[[gates]]\nfigure = "size"', "line 3: gates.0: it bounds nothing; add one of at-least, at-most"),
        ('MODEL[[gates]]\nfigure = "size"\nmax = "1"', "line 5: gates.0.at-most: Input should be a valid number"),
        ('MODEL[[gates]]\nfigure = "size"\nmax = nan', "line 5: gates.0.at-most: Input should be a finite number"),
        ('MODELGATE\n[[gates]]\nfigure = "size"\nmin = 1', "line 6: gates.1: size of a is bounded twice"),
        ('MODEL[[gates]]\nfigure = "size"\nmodel = "b"\nmax = 1', "line 5: gates.0.model: there is no model 'b'"),
        ('MODEL[[gates]]\nfigure = "size"\ntarget = "msp"\nmax = 1', "line 5: gates.0.of: size is about the whole"),
        ('MODEL[[gates]]\nfigure = "size"\nset = "x"\nmax = 1', "line 5: gates.0.set: size is not about a set"),
        ('MODEL[[gates]]\nfigure = "size"\nequals = "x"', "line 5: gates.0.equals: size is a number"),
        ('MODEL[[gates]]\nfigure = "size"\nforbid = "x"', "line 5: gates.0.none-of: size can't be bounded so"),
        ('MODEL[[gates]]\nfigure = "size"\nmax = 1\ntolerance = 1', "line 6: gates.0.tolerance: it goes with"),
        ('MODEL[[gates]]\nfigure = "size"\nbaseline = true', "line 5: gates.0.against: the file names no base"),
        ('MODEL[[gates]]\nfigure = "auroc"\nmin = 1', "line 3: gates.0.of: auroc is about a detector; name it"),
        ('MODEL[[gates]]\nfigure = "auroc"\ntarget = "x"\nmin = 1', "line 5: gates.0.of: there is no detector 'x'"),
        ('MODEL[[gates]]\nfigure = "flagged"\nmax = 1', "line 3: gates.0: flagged needs models.a.inputs; add it"),
        (
            'MODEL[models."b\\n\\u001b"]\npath = "b"\n[[gates]]\nfigure = "size"\nmax = 1\nmodel = "a"',
            "line 3: models.b\\n\\x1b: no gate is about it",
        ),
        ('[models." "]\npath = "a"\nGATE', "line 1: models. .[key]: a model has to have a name"),
        ('[models.a]\npath = "a"\ninputs = [\n"x",\n""]\nGATE', "line 5: models.a.inputs.1: String should have at"),
        ('baseline = ""\nMODELGATE', "line 1: baseline: String should have at least 1 character"),
        ('MODEL[[gates]]\nfigure = "size"\nequals = nan', "line 5: gates.0.equals.float: Input should be a finite"),
        ('MODEL[[gates]]\nfigure = "size"\nmin = 2\nmax = 1', "line 5: gates.0.at-least: it is above at-most"),
        (
            'MODELinputs = "x"\n[[gates]]\nfigure = "failed-inputs"\nmax = 5',
            "line 6: gates.0.at-most: failed-inputs is a number from 0 to 1; give no percentages",
        ),
        (
            'baseline = "b"\nMODELinputs = "x"\n[[gates]]\nfigure = "auroc"\ntarget = "msp"\nbaseline = true\n'
            "tolerance = 2",
            "line 9: gates.0.tolerance: auroc is a number from 0 to 1",
        ),
        (
            'MODEL[models.b]\npath = "b"\n[[gates]]\nfigure = "size"\nmax = 1\nmodel = "a"',
            "line 3: models.b: no gate is about it; add one, or leave the model out",
        ),
        (
            'gates = [\n  # two\n  { metric = "size", max = 1 },\n  { metric = "opset", at-leest = 1 },\n]\n'
            '[models.a]\npath = "a"',
            "line 4: gates.1.at-leest: Extra inputs",
        ),
        (
            'MODEL[[gates]]\nfigure = "transition-density"\ntarget = "x"\nmax = 1',
            "line 5: gates.0.of: there is no such kind",
        ),
    ],
)  # fmt: skip
def test_mistakes_name_file_line_and_key(tmp_path: Path, text: str, message: str) -> None:
    text = text.replace("MODEL", '[models.a]\npath = "a"\n').replace(
        "GATE", '[[gates]]\nfigure = "size"\nmax = 1'
    )
    for name, head, lines in (
        ("onnx-ood.toml", "", 0),
        ("pyproject.toml", "[project]\nname = 'x'\n[tool.onnx_ood]\n", 3),
    ):
        path = tmp_path / name
        inside = text.replace("[models", "[tool.onnx_ood.models") if lines else text
        path.write_text(head + (inside.replace("[[gates", "[[tool.onnx_ood.gates") if lines else inside))
        with pytest.raises(UsageError) as raised:
            read_check_file(path)
        number, rest = message.removeprefix("line ").split(": ", 1)
        shifted = f"line {int(number) + lines}: {rest}"
        if "Field required" in message and lines:
            shifted = rest  # the table that lacks it begins somewhere
        assert str(raised.value).startswith(f"{path.as_posix()}: "), raised.value
        assert shifted in str(raised.value)
        assert "\n" not in str(raised.value)


def test_a_pyproject_without_the_table_is_no_check(tmp_path: Path) -> None:
    for text in ("", "[tool]\nonnx_ood = 1", "tool = 2"):
        (tmp_path / "pyproject.toml").write_text(text)
        with pytest.raises(UsageError, match=r"has no table \[tool.onnx_ood\]"):
            read_check_file(tmp_path / "pyproject.toml")


def test_what_does_not_suit_the_model_names_the_gate_and_the_model(folder: Path) -> None:
    text = MODEL + 'site = "nowhere"\n' + _gates('metric = "failed-inputs"\nmax = 0')
    with pytest.raises(
        UsageError, match=r"check\.toml: line 13: gates\.0: failed-inputs of models\.cnn \(line 2\)"
    ):
        _check(folder, text)
    odd = MODEL + _gates('metric = "auroc"\ntarget = "msp"\nset = "odd"\nmin = 0')
    where = rf"line {odd[: odd.index('set =')].count(chr(10)) + 1}: gates\.0\.set: there is no set 'odd' of models\.cnn"
    with pytest.raises(UsageError, match=rf"{where}: name one of inverted, uniform_noise, .*, gaussian_blur"):
        _plan(folder, odd)
    with pytest.raises(UsageError, match=rf"{where}: name one of inverted$"):
        _plan(folder, odd.replace("trajectories = 2", "synthetic-ood = false"))
    bare = odd.replace("trajectories = 2", "synthetic-ood = false").replace('inverted = "inverted.npy"', "")
    with pytest.raises(UsageError, match=rf"{where}: add it to ood$"):
        _plan(folder, bare)
    # Which sets can be made depends on the inputs: of arrays none are.
    (gate,) = _check(folder, odd.replace('"odd"', '"pink_noise"')).gates
    assert gate.outcome == "not evaluated"
    assert gate.reason == "pink_noise could not be made for this model; there is inverted"


def test_a_gate_without_a_model_is_for_all_and_lines_are_those_of_the_file(folder: Path) -> None:
    text = (
        MODEL + '\n[models.other]\npath = "fashion_resnet.onnx"\n' + _gates('metric = "opset"\nmin = 99')
    )
    result = _check(folder, text)
    assert [(gate.model, gate.outcome) for gate in result.gates] == [("cnn", "failed"), ("other", "failed")]
    wanted = text.splitlines().index("[[gates]]") + 1
    assert {gate.line for gate in result.gates} == {wanted}


def test_settings_that_only_change_speed_are_no_part_of_a_baseline() -> None:
    config = {"path": "a", "inputs": ["b"]}
    from onnx_ood.audits.check.models import CheckedModel

    one, other = CheckedModel(**config), CheckedModel(**config | {"path": "c", "batch-size": 3})
    assert one.settings == other.settings
    assert one.settings != CheckedModel(**config, copies=5).settings
    assert list(one.settings) == sorted(one.settings)


def test_weights_beside_the_model_file_are_part_of_the_model(tmp_path: Path) -> None:
    model = onnx.load(CNN)
    onnx.save(model, tmp_path / "m.onnx", save_as_external_data=True, location="w.bin", size_threshold=0)
    text = 'baseline = "b.json"\n[models.m]\npath = "m.onnx"\n'
    text += _gates('metric = "size"\nbaseline = true')
    plan = _plan(tmp_path, text)
    first = onnx_ood.check(plan, update_baseline=True)
    weights = tmp_path / "w.bin"
    digests = {"w.bin": sha256(weights.read_bytes()).hexdigest()}
    assert first.result.models[0].external_data == first.baseline.models["m"].external_data == digests
    (tmp_path / "b.json").write_text(first.baseline.model_dump_json(by_alias=True))
    assert onnx_ood.check(plan).result.notes == ("m: the baseline is of the same model file.",)
    changed = bytearray(weights.read_bytes())
    changed[-1] ^= 1
    weights.write_bytes(changed)
    again = onnx_ood.check(plan)
    assert again.result.notes == ("m: the baseline is of the same model file with other weights beside it.",)
    # The hash of the file itself is what it was: cards and other results name that one.
    assert again.result.models[0].model == first.result.models[0].model
    assert again.result.models[0].model.sha256 == sha256((tmp_path / "m.onnx").read_bytes()).hexdigest()


def test_a_score_does_not_read_the_weights_for_a_hash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    onnx.save(
        onnx.load(CNN), tmp_path / "m.onnx", save_as_external_data=True, location="w.bin", size_threshold=0
    )
    hashed = []
    monkeypatch.setattr("onnx_ood.results.facts.file_hash", lambda path: hashed.append(path.name) or "0" * 64)
    np.save(tmp_path / "rows.npy", np.zeros((2, 1, 28, 28), np.float32))
    settings = onnx_ood.ScoreSettings(detectors=("deviation",), copies=1, provider="cpu", probes=("outputs",))
    assert onnx_ood.score(tmp_path / "m.onnx", [str(tmp_path / "rows.npy")], settings).scored == 2
    assert hashed == ["m.onnx"]


def test_what_says_nothing_is_in_no_baseline(folder: Path) -> None:
    text = 'baseline = "few.json"\n' + MODEL.replace('inputs = "garments.npy"', 'inputs = "few.npy"')
    text += _gates(
        'metric = "flip-rate"\ntarget = "op:Relu[0]"\nbaseline = true', 'metric = "size"\nmin = 1'
    )
    result, baseline = onnx_ood.check(_plan(folder, text), update_baseline=True)
    assert _by_title(result)["flip-rate of op:Relu[0]"].reason == "6 inputs, and 10 is the least"
    assert set(baseline.models["cnn"].figures) == {"size"}


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

    monkeypatch.setattr("onnx_ood.audits.check.runs.score", broken)
    text = MODEL + '[models.net]\npath = "fashion_resnet.onnx"\ninputs = "garments.npy"\nprovider = "cpu"\n'
    text += _gates(
        'metric = "failed-inputs"\nmax = 0',
        'metric = "observer-effect"\nmax = 1',
        'metric = "opset"\nmin = 1',
    )
    result, baseline = onnx_ood.check(_plan(folder, text))
    assert (result.status, result.errors, result.passed) == ("error", 2, 4)
    assert result.problems == ("cnn: it fell over",)
    assert ran == ["fashion_cnn.onnx", "fashion_resnet.onnx"]
    assert baseline is None
    assert {gate.outcome for gate in result.gates if gate.model == "net"} == {"passed"}
    (cnn, _) = result.models
    assert (cnn.model.path, cnn.provider) == ((folder / "fashion_cnn.onnx").as_posix(), None)


def test_a_figure_that_is_no_number_is_not_evaluated_and_in_no_baseline(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = onnx_ood.score

    def without_numbers(*arguments, **options):
        result = real(*arguments, **options)
        silent = tuple(one.model_copy(update={"drop": (None,)}) for one in result.inputs)
        run = result.run.model_copy(update={"observer_effect": float("nan")})
        return result.model_copy(update={"inputs": silent, "run": run})

    monkeypatch.setattr("onnx_ood.audits.check.runs.score", without_numbers)
    text = 'baseline = "b.json"\n' + MODEL
    text += _gates(
        'metric = "cosine-drop"\ntarget = "op:Relu[0]"\nmax = 1',
        'metric = "observer-effect"\nmax = 1',
        'metric = "size"\nbaseline = true',
    )
    result, baseline = onnx_ood.check(_plan(folder, text), update_baseline=True)
    found = _by_title(result)
    assert found["cosine-drop of op:Relu[0]"].reason.endswith("has no such number for any input")
    assert found["observer-effect"].reason == "the figure is no finite number"
    assert (found["observer-effect"].found, found["observer-effect"].shown) == (None, "-")
    assert (result.passed, result.not_evaluated) == (1, 2)
    assert set(baseline.models["cnn"].figures) == {"size"}
    (folder / "b.json").write_text(baseline.model_dump_json(by_alias=True))
    assert _by_title(_check(folder, text))["size"].outcome == "passed"
