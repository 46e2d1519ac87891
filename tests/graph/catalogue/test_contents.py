"""Operators at any depth, and stored numbers that are none, against models that were built to have them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from onnx_ood.exceptions import ModelError
from onnx_ood.graph import all_operators, count_non_finite, load

Array = np.ndarray


def _saved(folder: Path, weights: dict[str, TensorProto], nodes: list[onnx.NodeProto] | None = None) -> Path:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])
    graph = helper.make_graph(
        nodes or [helper.make_node("Identity", ["x"], ["y"])], "g", [x], [y], list(weights.values())
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def test_operators_inside_branches_and_functions_are_found(tmp_path: Path) -> None:
    out = helper.make_tensor_value_info("t", TensorProto.FLOAT, [2])
    inner = helper.make_graph([helper.make_node("Sinh", ["x"], ["t"])], "then", [], [out])
    other = helper.make_graph([helper.make_node("Secret", ["x"], ["t"], domain="evil")], "else", [], [out])
    function = helper.make_function(
        "mine", "Twice", ["a"], ["b"], [helper.make_node("Cosh", ["a"], ["b"])], [helper.make_opsetid("", 17)]
    )
    nodes = [
        helper.make_node("If", ["c"], ["h"], then_branch=inner, else_branch=other),
        helper.make_node("Twice", ["h"], ["y"], domain="mine"),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])
    c = helper.make_tensor_value_info("c", TensorProto.BOOL, [])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("mine", 1), helper.make_opsetid("evil", 1)]
    model = helper.make_model(
        helper.make_graph(nodes, "g", [x, c], [y]), opset_imports=opsets, functions=[function], ir_version=8
    )
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    assert all_operators(load(path)) == ("Cosh", "If", "Sinh", "evil::Secret", "mine::Twice")


@pytest.mark.parametrize(
    "kind", [TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE]
)
@pytest.mark.parametrize("external", [False, True])
def test_nan_and_infinity_are_counted_apart(tmp_path: Path, kind: int, external: bool) -> None:
    values = np.arange(40, dtype=np.float32)
    values[[3, 7]] = np.nan
    values[[5, 6, 39]] = [np.inf, -np.inf, np.inf]
    bad = numpy_helper.from_array(values.astype(helper.tensor_dtype_to_np_dtype(kind)), "bad")
    good = numpy_helper.from_array(np.ones(10, np.float32), "good")
    whole = numpy_helper.from_array(np.arange(5), "whole")
    path = _saved(tmp_path, {"bad": bad, "good": good, "whole": whole})
    if external:
        onnx.save_model(
            onnx.load(path), path, save_as_external_data=True, location="weights", size_threshold=0
        )
        assert (tmp_path / "weights").exists()
    assert count_non_finite(load(path)) == (2, 3, ("bad",))


def test_constants_inside_nodes_count_too(tmp_path: Path) -> None:
    mask = numpy_helper.from_array(np.array([-np.inf, 0], np.float32), "mask")
    nodes = [
        helper.make_node("Constant", [], ["m"], value=mask),
        helper.make_node("Add", ["x", "m"], ["y"]),
    ]
    assert count_non_finite(load(_saved(tmp_path, {}, nodes)))[:2] == (0, 1)


def test_external_data_is_read_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.zeros(1000, np.float32)
    values[[0, 6, 7, 999]] = np.nan
    path = _saved(tmp_path, {"w": numpy_helper.from_array(values, "w")})
    onnx.save_model(onnx.load(path), path, save_as_external_data=True, location="weights", size_threshold=0)
    monkeypatch.setattr("onnx_ood.graph.catalogue.contents._CHUNK_ELEMENTS", 7)
    assert count_non_finite(load(path)).nan == 4


@pytest.mark.parametrize(
    ("dims", "stored"),
    [
        ([10**12], b""),
        ([2**62, 8], b""),  # of which numpy's product is 0
        ([-4], b"\0" * 16),
        ([4], b"\0" * 15),
        ([400], b"\0" * 16),
    ],
)
@pytest.mark.parametrize("external", [False, True])
def test_a_shape_that_is_not_filled_is_told_of(
    tmp_path: Path, dims: list[int], stored: bytes, external: bool
) -> None:
    """What isn't there can't be taken for finite."""
    tensor = TensorProto(name="w\n", data_type=TensorProto.FLOAT, dims=dims)
    if external:
        tensor.data_location = TensorProto.EXTERNAL
        place = tensor.external_data.add()
        place.key, place.value = "location", "weights"
        (tmp_path / "weights").write_bytes(stored)
    else:
        tensor.raw_data = stored
    # Missing external data is noticed on loading.
    message = r"of tensor 'w\\n' do not fit its shape|external data file 'weights' is truncated"
    with pytest.raises(ModelError, match=message) as raised:
        count_non_finite(load(_saved(tmp_path, {"w": tensor})))
    assert len(str(raised.value).splitlines()) == 1
