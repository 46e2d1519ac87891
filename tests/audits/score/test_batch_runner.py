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
    assert [failure.id.rsplit("[")[-1] for failure in result.failed] == [f"{bad}]"]
    assert "onnxruntime cannot run it" in result.failed[0].reason
    expected = {entry.id.rsplit("[")[-1]: entry for entry in good.inputs}
    assert len(result.inputs) == 5
    for entry in result.inputs:
        assert entry.drop == pytest.approx(expected[entry.id.rsplit("[")[-1]].drop, rel=1e-3)


def test_a_model_that_runs_no_input_is_an_error(tmp_path):
    np.save(tmp_path / "rows.npy", np.full((4, 20), 10_000))
    with pytest.raises(ModelError, match="onnxruntime cannot run it"):
        onnx_ood.score(models.path("char_transformer"), [str(tmp_path / "rows.npy")])
