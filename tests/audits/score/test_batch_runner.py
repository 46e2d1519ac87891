"""Inputs that the model cannot run, or that lose a probe, fail alone."""

import numpy as np
import onnx
import pytest
import small_models

import onnx_ood
from onnx_ood import models
from onnx_ood.audits.score.settings import ScoreSettings
from onnx_ood.exceptions import ModelError


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
