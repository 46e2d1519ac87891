"""Inputs without finite values are recorded as failed."""

import numpy as np
import onnx

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
