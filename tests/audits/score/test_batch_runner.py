"""Inputs that the model cannot run, or that lose a probe, fail alone."""

import numpy as np
import onnx
import onnxruntime
import pytest
import small_models

import onnx_ood
from onnx_ood import models
from onnx_ood.audits.score.settings import ScoreSettings
from onnx_ood.exceptions import ModelError, UsageError
from onnx_ood.runtime import Prober
from onnx_ood.runtime.session import Session


def test_inputs_at_which_a_probe_is_empty_are_not_comparable_there(tmp_path):
    graph = "g (float[N, T] x) => (float[N, T] y) { late = Slice (x, from, to, axis)  y = Relu (x) }"
    weights = {"from": np.array([4]), "to": np.array([99]), "axis": np.array([1])}
    onnx.save(small_models.build(graph, weights), tmp_path / "m.onnx")
    np.save(tmp_path / "a.npy", small_models.normal(9, 8))
    np.save(tmp_path / "b.npy", small_models.normal(3, 4))
    result = onnx_ood.score(tmp_path / "m.onnx", [str(tmp_path)], ScoreSettings(probes=("late", "y")))
    assert [probe.name for probe in result.probes] == ["late", "y"]
    assert (len(result.inputs), result.failed) == (12, ())
    assert [probe.not_comparable for probe in result.probes] == [3 * 4, 0]
    for one in result.inputs:
        assert (one.drop[0] is None) == ("b.npy" in one.id)
        pairs = zip(one.drop, result.probes, strict=True)
        known = [np.log10(max(drop, probe.noise_floor)) for drop, probe in pairs if drop is not None]
        assert one.published_score == pytest.approx(-np.mean(known))


@pytest.mark.parametrize("bad", [0, 3])
def test_a_row_that_the_model_does_not_run_fails_alone(tmp_path, bad):
    """The embedding has no such token."""
    rows = np.stack([models.encode(text[:30]) for text in models.sentences()["in_distribution"][:6]])
    broken = rows.copy()
    broken[bad, 4] = 10_000
    for name, values in (("good", rows), ("broken", broken)):
        np.save(tmp_path / f"{name}.npy", values)
    path = models.path("char_transformer")
    good, result = (onnx_ood.score(path, [f"{tmp_path}/{name}.npy"]) for name in ("good", "broken"))
    assert [failure.id.rsplit("[", maxsplit=1)[-1] for failure in result.failed] == [f"{bad}]"]
    assert "onnxruntime cannot run it" in result.failed[0].reason
    expected = {entry.id.rsplit("[", maxsplit=1)[-1]: entry for entry in good.inputs}
    assert len(result.inputs) == 5
    for entry in result.inputs:
        assert entry.drop == pytest.approx(expected[entry.id.rsplit("[", maxsplit=1)[-1]].drop, rel=1e-3)


def test_a_model_that_runs_no_input_is_an_error(tmp_path):
    np.save(tmp_path / "rows.npy", np.full((4, 20), 10_000))
    with pytest.raises(ModelError, match="onnxruntime cannot run it"):
        onnx_ood.score(models.path("char_transformer"), [str(tmp_path / "rows.npy")])


def test_inputs_that_do_not_take_the_branch_of_a_probe_are_scored_by_detectors(tmp_path):
    graph = """
        g (float[N, 4] x) => (float[N, 3] y) {
            total = ReduceSum <keepdims = 0> (x)
            positive = Greater (total, zero)
            picked = If (positive) <
                then_branch = t () => (float[N, 4] p) { p = Relu (x) },
                else_branch = e () => (float[N, 4] q) { q = Neg (x) }
            >
            scores = MatMul (picked, w)
            y = Softmax (scores)
        }
    """
    weights = {"zero": np.float32(0), "w": small_models.normal(4, 3)}
    onnx.save(small_models.build(graph, weights), tmp_path / "m.onnx")
    rows = small_models.normal(30, 4)
    rows[0] = abs(rows[0])
    takes = rows.sum(axis=1) > 0
    logits = np.where(takes[:, None], np.maximum(rows, 0), -rows).astype(np.float64) @ weights["w"]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)

    def place(name: str) -> int:
        return int(name.rsplit("[", maxsplit=1)[-1].rstrip("]"))

    settings = ScoreSettings(probes=("*/p",), detectors=("msp",), provider="cpu")
    result = onnx_ood.score(tmp_path / "m.onnx", rows, settings)
    assert (len(result.inputs), result.failed) == (30, ())
    for one in result.inputs:
        i = place(one.id)
        assert one.scores[0] == pytest.approx(1 - probabilities[i].max(), abs=1e-5)
        assert all(
            (value is not None) == takes[i] for value in (*one.drop, one.deviation, one.published_score)
        )
        assert (one.rotation is None) != takes[i]
    # Without a detector there is nothing else to compare.
    settings = ScoreSettings(probes=("*/p",), detectors=("deviation",), provider="cpu")
    result = onnx_ood.score(tmp_path / "m.onnx", rows, settings)
    assert {place(one.id) for one in result.failed} == set(np.flatnonzero(~takes).tolist())
    assert "in a branch not taken" in result.failed[0].reason


@pytest.fixture
def rows_run(monkeypatch):
    """Counts the inputs of all runs of models: alone or first in trial runs, and in others."""
    counted = []
    original = Session.run

    def run(self, outputs, feeds):
        counted.append(len(next(iter(feeds.values()))))
        return original(self, outputs, feeds)

    monkeypatch.setattr(Session, "run", run)
    return counted


def test_an_input_costs_one_run_of_the_model(rows_run, monkeypatch):
    images, _ = models.fashion_samples()

    def measured(*_, **__):
        raise AssertionError("inputs were nudged")

    auditor = onnx_ood.fit(models.path("fashion_cnn"), images[40:80], cache=False, provider="cpu")
    with monkeypatch.context() as patched:
        for name in ("measure", "noise_floor", "observer_effect"):
            patched.setattr(Prober, name, measured)
        rows_run.clear()
        result = auditor.score(images[:40])
    # The fitted session has made its trial runs with the references.
    assert sum(rows_run) == 40
    assert {(one.copies, one.drop, one.deviation, one.published_score) for one in result} == {
        (0, (), None, None)
    }


@pytest.mark.parametrize(
    ("name", "detectors"),
    [
        ("fashion_cnn", ()),
        ("fashion_resnet", ("auto", "energy")),
        ("fashion_cnn", ("cosine_drop", "knn")),
        ("char_transformer", ()),
    ],
)
def test_scores_and_predictions_are_those_of_a_nudged_run_and_of_the_model(name, detectors):
    if name == "char_transformer":
        rows = np.stack([models.encode(text)[:30] for text in models.sentences()["in_distribution"][:60]])
        model_input = rows
    else:
        rows = models.fashion_samples()[0][:60]
        model_input = (rows[:, np.newaxis] / 255).astype(np.float32)
    path = models.path(name)
    settings = ScoreSettings(detectors=detectors, provider="cpu")
    plain, nudged = (
        onnx_ood.score(path, rows[:20], settings.replaced(copies=copies), reference=rows[20:])
        for copies in (None, 4)
    )
    assert (plain.nudges, plain.probes, plain.adaptive, plain.run.observer_effect) == (None, (), None, None)
    assert nudged.nudges.copies == 4
    assert plain.flagged == nudged.flagged
    others = {one.id: one for one in nudged}
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    outputs = session.run(None, {session.get_inputs()[0].name: model_input[:20]})
    # The transformer gives a row for each token, which is no answer.
    named = dict(zip([one.name for one in session.get_outputs()], outputs, strict=True))
    answer = named[plain.answer.outputs[0]] if plain.answer.outputs else None
    assert (answer is None) == (name == "char_transformer")
    for one in plain:
        other = others[one.id]
        assert one.scores == pytest.approx(other.scores, rel=1e-5, abs=1e-7)
        assert (one.p_value, one.flagged) == (other.p_value, other.flagged)
        if answer is None:
            assert one.prediction is None
            continue
        row = answer[int(one.id.removeprefix("inputs[").removesuffix("]"))].ravel()
        assert (one.prediction.index, one.prediction.label) == (row.argmax(), other.prediction.label)
        assert one.prediction.value == pytest.approx(row.max(), rel=1e-5)


def test_a_detector_that_reads_no_tensor_needs_outputs_only(tmp_path):
    graph = "g (float[N, 4] x) => (float[N, 3] y) { h = Relu (x)  y = MatMul (h, w) }"
    weights = {"w": small_models.normal(4, 3)}
    onnx.save(small_models.build(graph, weights), tmp_path / "m.onnx")
    rows = small_models.normal(30, 4)
    # It reads cosine drops of its own nudges, and no tensor of the clean input.
    settings = ScoreSettings(detectors=("cosine_drop",), provider="cpu", cache=False)
    result = onnx_ood.score(tmp_path / "m.onnx", rows[:10], settings, reference=rows[10:])
    assert (result.nudges, result.scored) == (None, 10)
    for one in result:
        logits = np.maximum(rows[int(one.id[7:-1])], 0) @ weights["w"]
        assert one.prediction.index == logits.argmax()


@pytest.mark.parametrize("copies", [None, 2])
def test_an_input_with_nan_in_the_output_alone_fails_alone(copies, tmp_path):
    graph = """g (float[N, 4] x) => (float[N, 4] y, float[N, 4] logs) {
        r = Relu (x)  m = MatMul (r, w)  y = Softmax (m)  logs = Log (x) }"""
    onnx.save(small_models.build(graph, {"w": small_models.normal(4, 4)}), tmp_path / "m.onnx")
    rows = np.abs(small_models.normal(12, 4)) + 1
    rows[3, 0] = -1
    settings = ScoreSettings(detectors=("msp",), copies=copies, probes=("r",) if copies else ())
    result = onnx_ood.score(tmp_path / "m.onnx", rows, settings)
    assert [failure.id for failure in result.failed] == ["inputs[3]"]
    assert result.scored == 11
    assert result.failed[0].reason == "the model gives NaN or infinity for it"


def test_the_reason_of_a_failed_input_is_that_of_the_runtime_alone(tmp_path):
    rows = np.stack([models.encode(text[:30]) for text in models.sentences()["in_distribution"][:40]])
    rows[2, 4] = 10_000
    result = onnx_ood.score(models.path("char_transformer"), rows[:6], reference=rows[6:], cache=False)
    (failure,) = result.failed
    assert failure.id == "inputs[2]"
    assert "onnxruntime cannot run it" in failure.reason
    assert "does without" not in failure.reason
    assert result.nudges is None


def test_models_without_a_detector_are_nudged_and_a_refusal_says_why(tmp_path):
    graph = (
        "g (float[N, 4] x) => (float[N, 4, 5] y) { r = Relu (x)  c = Unsqueeze (r, last)  y = Mul (c, w) }"
    )
    weights = {"last": np.array([2]), "w": small_models.normal(5)}
    onnx.save(small_models.build(graph, weights), tmp_path / "m.onnx")
    rows = small_models.normal(9, 4)
    result = onnx_ood.score(tmp_path / "m.onnx", rows)
    assert (result.detector_summary, result.nudges.copies) == (None, 4)
    assert all(one.deviation is not None for one in result)
    with pytest.raises(UsageError, match="copies=0: no detector applies"):
        onnx_ood.score(tmp_path / "m.onnx", rows, copies=0)
