"""Control flow laid out flat: types at every depth, from one session of onnxruntime."""

from __future__ import annotations

from pathlib import Path

import onnx
import small_models
from onnx import TensorProto

import onnx_ood
from onnx_ood._runtime_types import runtime_types
from onnx_ood.graph.catalogue.flatten import flatten

TEXT = """
g (float[N, 4] x, bool c, int64 n, bool go) => (float[N, 4] y, float[N, 4] z) {
    h = com.microsoft.QuickGelu (x)
    y = If (c) <
        then_branch = a () => (float[N, 4] v) { inner = com.microsoft.QuickGelu (h) v = Neg (inner) },
        else_branch = b () => (float[N, 4] v) { inner = com.microsoft.Gelu (x) v = Neg (inner) }>
    z = Loop (n, go, x) <body = l (int64 i, bool keep, float[N, 4] state) => (bool more, float[N, 4] next) {
        more = Identity (keep)
        inner = com.microsoft.QuickGelu (state)
        next = Add (inner, h)
    }>
}
"""


def model() -> onnx.ModelProto:
    return small_models.build(TEXT, domains=["com.microsoft"], opset=17)


def test_each_tensor_of_unknown_type_is_an_output_with_its_place() -> None:
    made = model()
    flat, places = flatten(made, onnx.shape_inference.infer_shapes(made).graph)
    assert {(place.steps, place.name) for place in places.values()} >= {
        ((), "h"),
        (((1, "then_branch"),), "inner"),
        (((1, "else_branch"),), "inner"),
        (((2, "body"),), "inner"),
    }
    assert [value.name for value in flat.graph.output] == list(places)
    found = runtime_types(flat)
    assert set(found) == set(places)
    assert {known.tensor_type.elem_type for known in found.values()} == {TensorProto.FLOAT}


def test_tensors_at_every_depth_are_typed(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(model(), path)
    loaded = onnx_ood.load(path)
    found = {tensor.name: (tensor.dtype, len(tensor.shape or ())) for tensor in loaded.all_tensors}
    assert {name: kind for name, kind in found.items() if name.endswith("inner")} == {
        "n1/then_branch/inner": ("float32", 2),
        "n1/else_branch/inner": ("float32", 2),
        "n2/body/inner": ("float32", 2),
    }
    assert not onnx_ood.instrument(loaded, probes="all").untyped


def test_nodes_that_read_what_nobody_can_type_are_left_out() -> None:
    made = model()
    made.graph.node[2].attribute[0].g.input[2].type.Clear()
    typed = onnx.ModelProto()
    typed.CopyFrom(made)
    flat, _ = flatten(made, typed.graph)
    assert sum(node.op_type == "QuickGelu" for node in flat.graph.node) == 2
    assert runtime_types(flat)
