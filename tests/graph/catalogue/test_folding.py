"""Folded shape arithmetic against the values that onnx's reference gives for a fixed input."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import small_models
from onnx import NodeProto, TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from onnx_ood.graph.catalogue.folding import Folder, stored_integers

X = small_models.normal(2, 3, 4)


def folded(
    body: str, weights: dict[str, np.ndarray] | None = None, opset: int = 17
) -> tuple[dict[str, np.ndarray], list[NodeProto], onnx.ModelProto]:
    """Known values after all nodes have been folded in order, and the nodes."""
    model = small_models.build(
        f"g (float[2, 3, 4] x, int64 k) => (y) {{ {body} }}", weights or {}, opset=opset
    )
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    values = stored_integers(changed.graph)
    folder = Folder([("", opset)])
    types = {"x": helper.make_tensor_type_proto(TensorProto.FLOAT, [2, 3, 4])}
    for node in changed.graph.node:
        before = node.op_type
        # True if the node is a Constant now and was not before.
        assert folder.fold(node, values, types) is (node.op_type == "Constant" != before)
    return values, list(changed.graph.node), model


@pytest.mark.parametrize(
    ("body", "weights"),
    [
        ("y = Shape (x)", {}),
        ("y = Size (x)", {}),
        ("s = Shape (x) y = Gather (s, one)", {"one": np.array(1)}),
        ("s = Shape (x) a, b = Split (s, cut) y = Concat <axis = 0> (b, a)", {"cut": np.array([1, 2])}),
        ("s = Shape (x) n = ReduceProd <keepdims = 0> (s) y = Div (n, two)", {"two": np.array(2)}),
        ("s = Shape (x) y = Mod (s, two)", {"two": np.array(2)}),
        ("s = Shape (x) m = Neg (s) y = Mul (m, s)", {}),
        ("s = Shape (x) e = Equal (s, two) y = Where (e, s, two)", {"two": np.array(2)}),
        ("n = Size (x) y = Range (zero, n, five)", {"zero": np.array(0), "five": np.array(5)}),
        ("n = Size (x) y = Range (n, zero, five)", {"zero": np.array(0), "five": np.array(-5)}),
        ("s = Shape (x) y = ConstantOfShape <value = int64[1] {7}> (s)", {}),
        ("s = Shape (x) y = Expand (one, s)", {"one": np.array([1])}),
        ("c = Constant <value_ints = [3, 4]> () y = Neg (c)", {}),
        ("y = Slice (w, zero, two)", {"w": np.arange(6), "zero": np.array([0]), "two": np.array([2])}),
        ("y = Cast <to = 9> (w)", {"w": np.arange(3)}),
    ],
)
def test_folded_values_are_those_of_the_reference(body: str, weights: dict[str, np.ndarray]) -> None:
    values, nodes, model = folded(body, weights)
    expected = ReferenceEvaluator(model).run(["y"], {"x": X, "k": np.array(3)})[0]
    np.testing.assert_array_equal(values["y"], expected)
    assert values["y"].dtype == expected.dtype
    # A node with one result is a Constant of the same name now.
    last = nodes[-1]
    assert last.op_type == "Constant"
    assert list(last.output) == ["y"]
    assert last.name == model.graph.node[-1].name
    np.testing.assert_array_equal(numpy_helper.to_array(last.attribute[0].t), expected)


def test_a_node_of_several_results_stays_but_its_values_are_known() -> None:
    values, nodes, _ = folded("s = Shape (x) y, z = Split (s, cut)", {"cut": np.array([1, 2])})
    assert [node.op_type for node in nodes] == ["Constant", "Split"]
    assert (values["y"].tolist(), values["z"].tolist()) == ([2], [3, 4])


@pytest.mark.parametrize(
    ("body", "weights"),
    [
        # Of an input, or of numbers that are not exact.
        ("y = Neg (k)", {}),
        ("y = Add (k, one)", {"one": np.array(1)}),
        ("y = Neg (w)", {"w": np.ones(2, np.float32)}),
        ("y = Cast <to = 1> (w)", {"w": np.arange(3)}),
        ("y = Shape (k2)", {}),
        # Not arithmetic of shapes.
        ("y = Relu (w)", {"w": np.arange(3)}),
        ("y = my.Neg (w)", {"w": np.arange(3)}),
        # Runtimes round negative quotients in different ways, or refuse.
        ("y = Div (w, two)", {"w": np.array([-3]), "two": np.array(2)}),
        ("y = Mod (w, two)", {"w": np.array([3]), "two": np.array(-2)}),
        ("y = Div (w, zero)", {"w": np.array([3]), "zero": np.array(0)}),
        ("y = Range (zero, w, zero)", {"w": np.array(3), "zero": np.array(0)}),
    ],
)
def test_the_rest_stays_as_it_is(body: str, weights: dict[str, np.ndarray]) -> None:
    values, nodes, model = folded(body, weights)
    assert "y" not in values
    assert nodes[-1] == model.graph.node[-1]


@pytest.mark.parametrize(
    ("body", "size"),
    [
        ("y = ConstantOfShape <value = int64[1] {7}> (n)", 1024),
        ("y = Expand (one, n)", 1024),
        ("y = Range (zero, m, step)", 1024),
    ],
)
def test_large_results_are_not_computed(body: str, size: int) -> None:
    """1024 elements are, and one more is not."""
    for extra, known in ((0, True), (1, False)):
        count = size + extra
        weights = {"n": np.array([count]), "m": np.array(count), "one": np.array([1]), "zero": np.array(0)}
        values, _, _ = folded(body, weights | {"step": np.array(1)})
        assert ("y" in values) is known


def test_stored_integers_are_small_exact_and_never_overridden() -> None:
    model = small_models.build(
        "g (float[2] x, int64[2] default) => (float[2] y) { y = Neg (x) }",
        {
            "default": np.array([1, 2]),
            "most": np.arange(1024),
            "more": np.arange(1025),
            "flags": np.array([True]),
            "floats": np.ones(2, np.float32),
            "words": np.array(["a"], dtype=object),
        },
    )
    elsewhere = model.graph.initializer.add(name="elsewhere", data_type=TensorProto.INT64, dims=[2])
    elsewhere.data_location = TensorProto.EXTERNAL
    assert sorted(stored_integers(model.graph)) == ["flags", "most"]


def test_folding_ends_after_a_number_of_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onnx_ood.graph.catalogue.folding._MAX_NODES", 2)
    values, nodes, _ = folded("s = Shape (x) a = Neg (s) y = Neg (a)")
    assert sorted(values) == ["a", "s"]
    assert [node.op_type for node in nodes] == ["Constant", "Constant", "Neg"]
