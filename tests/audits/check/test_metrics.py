"""Metrics of gates against the audits by themselves, numpy, onnx and scipy."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
import small_models
from check_files import MODEL, by_title, gates_toml, run_check, write_garments
from onnx import numpy_helper
from scipy import stats

import onnx_ood
from onnx_ood.audits.check.metrics import (
    METRICS,
    MetricValue,
    infinite_weights,
    jacobian_norm,
    nan_weights,
    transition_density,
)
from onnx_ood.evidence.nudge_units import unit_notes
from onnx_ood.exceptions import NotEvaluatedError, UsageError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_garments(tmp_path_factory.mktemp("check"))


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_has_a_test(name: str) -> None:
    tests = [path.read_text() for path in Path(__file__).parent.glob("test_*.py")]
    assert any(f'metric = "{name}"' in text for text in tests)


def test_advice_on_layers_names_a_run_that_measures_them() -> None:
    """Without a setting of nudges, a run whose detector ranks measures no layers."""
    commands = [
        metric.advice.partition("onnx-ood score ")[2]
        for metric in METRICS.values()
        if metric.target == "probe" and "onnx-ood score" in metric.advice
    ]
    assert commands
    for command in commands:
        option, copies = command.split()
        assert option == "--copies"
        assert onnx_ood.ScoreSettings(copies=int(copies)).nudged(ranked=True)
    assert not onnx_ood.ScoreSettings().nudged(ranked=True)


def test_metrics_are_those_of_the_audits(folder: Path) -> None:
    """Each is compared with what the audit by itself gives, or with numpy."""
    result = run_check(
        folder,
        MODEL
        + gates_toml(
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
    found = by_title(result)
    inputs, path = [str(folder / "garments.npy")], folder / "fashion_cnn.onnx"

    settings = onnx_ood.BenchSettings(detectors=("energy",), provider="cpu")
    sets = {"inverted": [str(folder / "inverted.npy")]}
    (detector,) = onnx_ood.bench(
        path, inputs, sets, settings, reference=[str(folder / "known.npy")]
    ).detectors
    area = detector.metrics[0].auroc
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


def test_nudges_below_the_rounding_error_are_detected(folder: Path) -> None:
    text = MODEL.replace("trajectories = 2", "scale = 1e-8") + gates_toml(
        'metric = "above-noise"\ntarget = "op:Relu[0]"\nmin = 0.9',
        'metric = "distortion"\ntarget = "op:Relu[0]"\nmin = 0',
    )
    found = by_title(run_check(folder, text))
    gate = found["above-noise of op:Relu[0]"]
    assert (gate.outcome, gate.inputs) == ("failed", 20)
    assert gate.found < 0.9
    assert any("noise floor: " in note for note in gate.notes)
    assert any("not above the noise floor" in note for note in found["distortion of op:Relu[0]"].notes)


def test_flags_of_references_themselves_are_not_evaluated(folder: Path) -> None:
    flagged = gates_toml('metric = "flagged"\nmax = 1')
    text = MODEL.replace('inputs = "garments.npy"', 'inputs = ["garments.npy", "./known.npy"]')
    (gate,) = run_check(folder, text + flagged).gates
    assert gate.outcome == "not_evaluated"
    assert "known.npy: among both inputs and references" in gate.reason
    assert run_check(folder, MODEL + flagged).status == "passed"


def test_so_few_references_that_nothing_can_be_flagged_are_not_evaluated(folder: Path) -> None:
    np.save(folder / "twelve.npy", np.load(folder / "known.npy")[:12])
    text = MODEL.replace('"known.npy"', '"twelve.npy"') + gates_toml('metric = "flagged"\nmax = 1')
    (gate,) = run_check(folder, text).gates
    assert gate.outcome == "not_evaluated"
    assert "too few references to flag any input at a false-positive rate of 0.05" in gate.reason


def test_inputs_that_fail_are_counted(folder: Path) -> None:
    garments = np.load(folder / "garments.npy")
    garments[:7] = np.nan
    np.save(folder / "broken.npy", garments)
    text = MODEL.replace('inputs = "garments.npy"', 'inputs = ["broken.npy", "missing.npy"]')
    gates = gates_toml('metric = "failed-inputs"\nmax = 0.1')
    with pytest.raises(
        UsageError, match=r"models\.cnn: .*missing\.npy: no such file or folder; check the path"
    ):
        run_check(folder, text + gates)
    (folder / "missing.npy").write_bytes(b"")
    (gate,) = run_check(folder, text + gates).gates
    assert (gate.outcome, gate.found, gate.inputs) == ("failed", 8 / 21, 21)
    assert "missing.npy" in gate.notes[0] or "broken.npy" in gate.notes[0]


def test_where_nothing_can_be_measured_the_first_input_is_named(folder: Path) -> None:
    np.save(folder / "nothing.npy", np.full((12, 1, 28, 28), np.nan, np.float32))
    text = MODEL.replace('inputs = "garments.npy"', 'inputs = "nothing.npy"')
    gates = gates_toml('metric = "observer-effect"\nmax = 1', 'metric = "failed-inputs"\nmax = 0')
    found = by_title(run_check(folder, text + gates))
    assert found["observer-effect"].outcome == "not_evaluated"
    first = f"{(folder / 'nothing.npy').as_posix()}[0]: holds NaN"
    assert f"0 of 12 inputs could be measured; first failed input: {first}" in found["observer-effect"].reason
    assert (found["failed-inputs"].outcome, found["failed-inputs"].found) == ("failed", 1)


def sensitivity_of(**parts: object) -> SimpleNamespace:
    """A runner whose sensitivity audit found what is given."""
    return SimpleNamespace(evaluated_sensitivity=lambda: SimpleNamespace(**{"notes": (), **parts}))


def spread(mean: float | None, count: int = 7) -> SimpleNamespace:
    return SimpleNamespace(mean=mean, low=0.5, high=2.5, count=count)


def test_a_jacobian_norm_that_is_not_finite_is_not_evaluated() -> None:
    known = sensitivity_of(jacobian=SimpleNamespace(norm=spread(1.5)))
    assert jacobian_norm(known) == MetricValue(1.5, 0.5, 2.5, 7)
    noted = sensitivity_of(
        jacobian=SimpleNamespace(norm=spread(1.5)), notes=("Other.", *unit_notes(np.array([1.0, 12_345.0])))
    )
    assert jacobian_norm(noted).detail.startswith("features differ in spread by a factor of 12,000: ")
    with pytest.raises(NotEvaluatedError, match="no Jacobian norm is finite"):
        jacobian_norm(sensitivity_of(jacobian=SimpleNamespace(norm=spread(None))))


@pytest.mark.parametrize(
    "body",
    [
        "h = Mul (x, nothing) y = MatMul (h, w)",  # of no input at all
        "g = Greater (x, far) h = Cast <to = 1> (g) y = MatMul (h, w)",  # constant between steps, as trees are
    ],
)
def test_stability_of_a_constant_output_is_not_evaluated(body: str, tmp_path: Path) -> None:
    """Both have a Jacobian of 0 in closed form, which would pass any upper bound."""
    weights = {
        "w": small_models.normal(4, 3),
        "nothing": np.zeros(4, np.float32),
        "far": np.full(4, 100, np.float32),
    }
    model = small_models.build(f"g (float[N, 4] x) => (float[N, 3] y) {{ {body} }}", weights)
    onnx.save(model, tmp_path / "constant.onnx")
    np.save(tmp_path / "x.npy", small_models.normal(12, 4))
    text = '[models.constant]\npath = "constant.onnx"\ninputs = "x.npy"\nprovider = "cpu"\ntrajectories = 1\n'
    gates = gates_toml(
        'metric = "jacobian-norm"\nmax = 1',
        'metric = "cosine-drop"\ntarget = "y"\nmax = 1',
        'metric = "distortion"\ntarget = "y"\nmax = 1',
    )
    result = run_check(tmp_path, text + gates)
    assert result.status != "passed"
    for gate in result.gates:
        assert gate.outcome == "not_evaluated"
        assert "constant around all 12 inputs" in gate.reason or "undefined for all inputs" in gate.reason


def test_densities_are_those_of_one_type_of_trajectories() -> None:
    types = [
        SimpleNamespace(type=name, density=spread(mean), converged=converged)
        for name, mean, converged in (("translations", 1.0, 7), ("same_class", 2.0, 4), ("random", None, 0))
    ]
    runner = sensitivity_of(trajectory_types=types)
    assert transition_density(runner, "translations") == MetricValue(1.0, 0.5, 2.5, 7, "")
    found = transition_density(runner, "same_class")
    assert (found.value, found.count) == (2.0, 7)
    assert found.detail == "3 of 7 trajectories did not converge"
    notes = tuple(unit_notes(np.array([1.0, 3.0])))
    noted = transition_density(sensitivity_of(trajectory_types=types, notes=notes), "same_class")
    assert noted.detail.startswith("3 of 7 trajectories did not converge; features differ in spread by a ")
    for missing in ("random", "different_classes"):
        with pytest.raises(NotEvaluatedError, match=f"no trajectories of type {missing.replace('_', '-')}"):
            transition_density(runner, missing)


@pytest.mark.parametrize(("count", "shown"), [(1, "w0"), (3, "w0, w1, w2"), (5, "w0, w1, w2, ...")])
def test_weights_that_are_not_finite_are_counted_and_named(count: int, shown: str, save) -> None:
    """Each tensor has one NaN and two infinities."""
    weights = {f"w{i}": np.array([1, np.nan, np.inf, -np.inf], np.float32) for i in range(count)}
    text = "g (float[N, 4] x) => (float[N, 4] y) { y = Neg (x) }"
    runner = SimpleNamespace(
        model=onnx_ood.load(save(small_models.build(text, weights | {"good": np.ones(4)})))
    )
    detail = f"tensors with NaN or infinity: {shown}"
    assert nan_weights(runner) == MetricValue(count, detail=detail)
    assert infinite_weights(runner) == MetricValue(2 * count, detail=detail)
    clean = SimpleNamespace(model=onnx_ood.load(save(small_models.build(text, {"good": np.ones(4)}))))
    assert nan_weights(clean) == infinite_weights(clean) == MetricValue(0)
