"""Inputs without finite values are recorded as failed."""

import numpy as np
import onnx
import pytest

import onnx_ood
from onnx_ood.audits.score.settings import ScoreSettings


def test_inputs_for_which_the_model_gives_nan_fail_by_name(tmp_path):
    rows = np.ones((10, 1, 4, 4), dtype=np.float32)
    rows[3] = -1  # The model takes a logarithm.
    np.save(tmp_path / "rows.npy", rows)
    graph = onnx.parser.parse_graph(
        "g (float[N,1,4,4] x) => (float[N,1,4,4] y) { logs = Log(x)  y = Relu(logs) }"
    )
    onnx.save(
        onnx.helper.make_model(graph, ir_version=8, opset_imports=[onnx.helper.make_opsetid("", 17)]),
        tmp_path / "m.onnx",
    )
    result = onnx_ood.score(
        tmp_path / "m.onnx", [str(tmp_path / "rows.npy")], ScoreSettings(probes=("logs",))
    )
    assert [failure.id.rsplit("/", 1)[-1] for failure in result.failed] == ["rows.npy[3]"]
    assert "'logs'" in result.failed[0].reason
    assert len(result.inputs) == 9


def _with_bad_output(tmp_path, bad: str):
    """Rows of which the fourth gives NaN or infinity in the output alone."""
    rows = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)
    rows[:, 0] = 2
    rows[3, 0] = {"nan": -1, "-inf": 0}[bad]
    np.save(tmp_path / "rows.npy", rows)
    graph = onnx.parser.parse_graph(
        """g (float[N, 4] x) => (float[N, 4] y) {
            r = Relu (x)
            first = Slice (x, zero, one, one)
            l = Log (first)
            y = Add (r, l)
        }"""
    )
    for name, value in (("zero", 0), ("one", 1)):
        graph.initializer.append(onnx.numpy_helper.from_array(np.array([value], np.int64), name))
    onnx.save(
        onnx.helper.make_model(graph, ir_version=8, opset_imports=[onnx.helper.make_opsetid("", 17)]),
        tmp_path / "m.onnx",
    )
    return tmp_path / "m.onnx", [str(tmp_path / "rows.npy")]


@pytest.mark.parametrize("bad", ["nan", "-inf"])
def test_an_output_of_nan_or_infinity_fails_alone_and_the_stream_resumes(tmp_path, bad) -> None:
    model, rows = _with_bad_output(tmp_path, bad)
    settings = ScoreSettings(probes=("r",), detectors=("deviation",), provider="cpu")
    streaming = onnx_ood.Streaming(tmp_path / "s.jsonl")
    result = onnx_ood.score(model, rows, settings, streaming=streaming)
    assert [failure.reason for failure in result.failed] == ["the model gives NaN or infinity for it"]
    assert result.failed[0].id.endswith("rows.npy[3]")
    assert (result.status, result.scored) == ("scored", 11)
    again = onnx_ood.score(
        model, rows, settings, streaming=onnx_ood.Streaming(tmp_path / "s.jsonl", resume=True)
    )
    assert again.inputs == result.inputs
    assert again.failed == result.failed


def test_a_stream_deleted_during_the_run_leaves_the_result(tmp_path) -> None:
    model, rows = _with_bad_output(tmp_path, "nan")
    path = tmp_path / "s.jsonl"
    result = onnx_ood.score(
        model,
        rows,
        ScoreSettings(probes=("r",), detectors=("deviation",), provider="cpu", batch_size=4),
        streaming=onnx_ood.Streaming(path),
        progress=lambda *_: path.unlink(missing_ok=True),
    )
    assert result.scored == 11
    assert any("was deleted during the run" in note for note in result.notes)
