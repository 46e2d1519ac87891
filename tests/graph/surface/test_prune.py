"""Pruned models by onnx's checker and reference."""

from __future__ import annotations

import numpy as np
import onnx
import small_models
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from onnx_ood.graph.surface.prune import prune

TEXT = """
<ir_version: 8, opset_import: ["" : 17, "mine" : 1]>
net (float[N, 4] x, float[N, 4] unread, bool c) => (float[N, 4] y) {
    h = mine.Outer (x)
    z = mine.Unused (x)
    q = Mul (z, v)
    y = If (c) <
        then_branch = one () => (float[N, 4] t) { t = Mul (h, w) },
        else_branch = two () => (float[N, 4] e) { e = mine.Branch (h) }
    >
}
<domain: "mine", opset_import: ["" : 17, "mine" : 1]> Inner (a) => (r) { r = Neg (a) }
<domain: "mine", opset_import: ["" : 17, "mine" : 1]> Outer (a) => (r) { r = mine.Inner (a) }
<domain: "mine", opset_import: ["" : 17, "mine" : 1]> Branch (a) => (r) { r = Exp (a) }
<domain: "mine", opset_import: ["" : 17, "mine" : 1]> Helper (a) => (r) { r = Abs (a) }
<domain: "mine", opset_import: ["" : 17, "mine" : 1]> Unused (a) => (r) { r = mine.Helper (a) }
"""


def model() -> onnx.ModelProto:
    made = onnx.parser.parse_model(TEXT)
    del made.graph.value_info[:]
    for name in ("h", "z", "w"):
        made.graph.value_info.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    for name in ("w", "v"):
        values = small_models.normal(4, seed=ord(name))
        made.graph.initializer.append(onnx.numpy_helper.from_array(values, name))
    # The default of an input that nobody reads.
    made.graph.initializer.append(onnx.numpy_helper.from_array(np.zeros((1, 4), np.float32), "unread"))
    for name in ("h", "q"):
        made.graph.quantization_annotation.add(tensor_name=name)
    return made


def test_only_what_the_outputs_need_is_left() -> None:
    found = model()
    prune(found)
    assert [node.op_type for node in found.graph.node] == ["Outer", "If"]
    assert [value.name for value in found.graph.input] == ["x", "unread", "c"]
    assert [tensor.name for tensor in found.graph.initializer] == ["w", "unread"]
    assert [value.name for value in found.graph.value_info] == ["h", "w"]
    assert [entry.tensor_name for entry in found.graph.quantization_annotation] == ["h"]
    assert [function.name for function in found.functions] == ["Inner", "Outer", "Branch"]
    feeds = {"x": small_models.normal(2, 4), "unread": small_models.normal(2, 4)}
    for taken in (True, False):
        values = [
            ReferenceEvaluator(one).run(["y"], feeds | {"c": np.array(taken)})[0] for one in (model(), found)
        ]
        np.testing.assert_array_equal(*values)


def test_nodes_keep_their_order_in_the_file() -> None:
    """Even where that is not an order of execution."""
    found = small_models.build(
        "net (float[N] x) => (float[N] y) { y = Neg (b) unused = Exp (b) b = Abs (a) a = Relu (x) }"
    )
    prune(found)
    assert [node.output[0] for node in found.graph.node] == ["y", "b", "a"]


def test_sparse_weights_are_kept_if_they_are_read() -> None:
    found = small_models.build("net (float[2] x) => (float[2] y) { y = Add (x, kept) }")
    for name in ("kept", "left"):
        sparse = found.graph.sparse_initializer.add()
        sparse.values.name = name
    prune(found)
    assert [sparse.values.name for sparse in found.graph.sparse_initializer] == ["kept"]
