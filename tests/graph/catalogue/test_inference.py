"""Types that onnx's own inference leaves open: told where they follow from the file, left open where they don't."""

from __future__ import annotations

import tracemalloc
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import GraphProto, TensorProto, numpy_helper, parser, shape_inference
from running import run

from onnx_ood.graph.catalogue.inference import infer_types

HEAD = '<ir_version: 8, opset_import: ["" : {opset}]>\n'


def parsed(text: str, opset: int = 18, **stored: Any) -> onnx.ModelProto:
    model = parser.parse_model(HEAD.format(opset=opset) + text)
    for name, value in stored.items():
        model.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
    return model


def shapes(graph: GraphProto) -> dict[str, tuple[int | None, ...]]:
    """The shapes of the tensors whose ranks are told; sizes that are not, as None."""
    return {
        value.name: tuple(
            dim.dim_value if dim.HasField("dim_value") else None for dim in value.type.tensor_type.shape.dim
        )
        for value in (*graph.value_info, *graph.input)
        if value.type.tensor_type.HasField("shape")
    }


def copy(model: onnx.ModelProto) -> onnx.ModelProto:
    return onnx.ModelProto.FromString(model.SerializeToString())


# A graph, what its tensor t is found to be, and inputs besides x.
TOLD = {
    "a shape computed from another": (
        """g (float[2,3,4] x) => (float y) {
            s = Shape(x)  n = Size(s)  zero = Constant<value_int = 0>()  one = Constant<value_int = 1>()
            axes = Range(zero, n, one)  t = ReduceMean(x, axes)  y = ReduceMax<keepdims = 0>(t)
        }""",
        (1, 1, 1),
        {},
    ),
    "the sizes of pieces, computed": (
        """g (float[2,3,4] x) => (float y) {
            n = Shape<start = 2>(x)  one = Constant<value_ints = [1]>()  rest = Sub(n, one)
            sizes = Concat<axis = 0>(rest, one)  t, u = Split<axis = 2>(x, sizes)
            a = ReduceMax<keepdims = 0>(t)  b = ReduceMax<keepdims = 0>(u)  y = Add(a, b)
        }""",
        (2, 3, 3),
        {},
    ),
    "axes that are fed, kept": (
        "g (float[2,3,4] x, int64[2] axes) => (float y) { t = ReduceSum(x, axes)  y = ReduceMax<keepdims = 0>(t) }",
        (None, None, None),
        {"axes": np.array([0, 2])},
    ),
    "one axis that is fed, dropped": (
        """g (float[2,3,4] x, int64[1] axes) => (float y) {
            t = ReduceSum<keepdims = 0>(x, axes)  y = ReduceMax<keepdims = 0>(t)
        }""",
        (None, None),
        {"axes": np.array([1])},
    ),
    "an If that always goes one way": (
        """g (float[2,3,4] x) => (float y) {
            s = Shape(x)  n = Size(s)  three = Constant<value_int = 3>()  c = Equal(n, three)
            t = If(c) <then_branch = g1 () => (a) { a = Neg(x) },
                       else_branch = g2 () => (b) { b = Flatten(x) }>
            y = ReduceMax<keepdims = 0>(t)
        }""",
        (2, 3, 4),
        {},
    ),
}


@pytest.mark.parametrize(("text", "shape", "others"), TOLD.values(), ids=TOLD)
def test_what_follows_from_the_file_is_told_and_true(
    text: str, shape: tuple[int | None, ...], others: Mapping[str, np.ndarray]
) -> None:
    model = parsed(text)
    before = shapes(shape_inference.infer_shapes(model, data_prop=True).graph)
    assert before.get("t") != shape  # Else onnx knows it itself, and the test tests nothing.
    assert shapes(infer_types(copy(model)))["t"] == shape
    model.graph.output.append(onnx.ValueInfoProto(name="t"))
    got = run(model, {"x": np.ones((2, 3, 4), np.float32), **others})["t"].shape
    assert len(got) == len(shape)
    assert all(size in {None, real} for size, real in zip(shape, got, strict=True))


# Graphs in which the rank of t depends on what is fed, and could be taken for known.
OPEN = {
    "sizes that are fed": (
        """g (float[2,3,4] x, int64[2] size) => (float y) {
            u = Reshape(x, size)  t = Squeeze(u)  y = ReduceMax<keepdims = 0>(t)
        }""",
        {},
    ),
    "axes of which two may be the same": (
        """g (float[2,3,4] x, int64[2] axes) => (float y) {
            t = ReduceSum<keepdims = 0>(x, axes)  y = ReduceMax<keepdims = 0>(t)
        }""",
        {},
    ),
    "an initializer that is only a default": (
        """g (float[2,3,4] x, bool c) => (float y) {
            t = If(c) <then_branch = g1 () => (a) { a = Neg(x) },
                       else_branch = g2 () => (b) { b = Flatten(x) }>
            y = ReduceMax<keepdims = 0>(t)
        }""",
        {"c": True},
    ),
    "a quotient that is rounded in either direction": (
        """g (float[2,3,4] x) => (float y) {
            a = Constant<value_int = -3>()  b = Constant<value_int = 2>()  q = Div(a, b)
            minus_one = Constant<value_int = -1>()  c = Equal(q, minus_one)
            t = If(c) <then_branch = g1 () => (v) { v = Neg(x) },
                       else_branch = g2 () => (w) { w = Flatten(x) }>
            y = ReduceMax<keepdims = 0>(t)
        }""",
        {},
    ),
    "a condition that differs from iteration to iteration": (
        """g (float[2,3,4] x) => (float y) {
            n = Constant<value_int = 2>()  go = Constant<value = bool {1}>()
            y = Loop(n, go, x) <body = body (int64 i, bool c, float s) => (bool c2, float s2) {
                c2 = Identity(c)  zero = Constant<value_int = 0>()  first = Equal(i, zero)
                t = If(first) <then_branch = g1 () => (v) { v = Neg(x) },
                               else_branch = g2 () => (w) { w = Flatten(x) }>
                s2 = ReduceMax<keepdims = 0>(t)
            }>
        }""",
        {},
    ),
}


@pytest.mark.parametrize(("text", "stored"), OPEN.values(), ids=OPEN)
def test_what_depends_on_the_inputs_stays_open(text: str, stored: Mapping[str, Any]) -> None:
    graph = infer_types(parsed(text, **stored))
    found = shapes(graph)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.name == "body":
                found |= shapes(attribute.g)
    assert "t" not in found


def test_the_mask_of_an_old_dropout_is_of_the_type_of_its_input() -> None:
    model = parsed("g (float[2,3] x) => (float[2,3] y) { y, t = Dropout(x) }", opset=9)
    graph = infer_types(copy(model))
    assert shapes(graph)["t"] == (2, 3)
    model.graph.output.append(onnx.ValueInfoProto(name="t"))
    got = run(model, {"x": np.ones((2, 3), np.float32)})["t"]
    assert (got.dtype, got.shape) == (np.float32, (2, 3))


@pytest.mark.parametrize(
    "large",
    [
        "t = Expand(one, many)",
        "t = ConstantOfShape(many)",
        "n = Squeeze(many, zero)  u = Squeeze(one, zero)  t = Range(u, n, u)",
    ],
)
def test_nothing_large_is_computed(large: str) -> None:
    # The Squeeze at the end has an open rank, so that constants are looked for.
    model = parsed(
        f"""g (float[2,3,4] x, int64[2] size) => (int64[n] s, float[n] y) {{
            one = Constant<value_ints = [1]>()  zero = Constant<value_ints = [0]>()
            many = Constant<value_ints = [10000000]>()
            {large}
            s = Shape(t)  v = Reshape(x, size)  w = Squeeze(v)  y = Flatten(w)
        }}"""
    )
    infer_types(copy(model))  # What is imported on the way is not meant.
    tracemalloc.start()
    try:
        infer_types(model)
        assert tracemalloc.get_traced_memory()[1] < 8_000_000  # One byte an element would be more.
    finally:
        tracemalloc.stop()


def test_damaged_graphs_keep_what_onnx_infers() -> None:
    model = parsed(
        "g (float[2,3,4] x, int64[2] size) => (float[n] y) { u = Neg(x)  v = Reshape(u, size)  y = Squeeze(v) }"
    )
    model.graph.node.add(op_type="Shape", output=["of_nothing"])
    model.graph.node.add(op_type="Div", input=["size"], output=["by_nothing"])
    broken = TensorProto(name="broken", dims=[3], data_type=TensorProto.INT64, raw_data=b"123")
    model.graph.initializer.append(broken)
    names = [list(node.output) for node in model.graph.node]
    graph = infer_types(model)
    assert [list(node.output) for node in graph.node] == names


def test_a_file_can_not_cost_time(monkeypatch: pytest.MonkeyPatch) -> None:
    text = """g (float[2,3,4] x, int64[2] size) => (float[n, k] y) {
        a = Shape(x)  b = Neg(a)  c = Neg(b)  d = Neg(c)
        v = Reshape(x, size)  w = Squeeze(v)  y = Flatten(w)
    }"""

    def computed() -> list[str]:
        graph = infer_types(parsed(text))
        return [name for node in graph.node if node.op_type == "Constant" for name in node.output]

    assert computed() == ["a", "b", "c", "d"]
    monkeypatch.setattr("onnx_ood.graph.catalogue.folding._MAX_NODES", 2)
    assert computed() == ["a", "b"]


def test_minus_one_is_no_size() -> None:
    """PaddlePaddle writes it for a batch of any size; what is computed from the other sizes is told all the same."""
    model = parsed(
        """
        g (float[N, 3, 2] x) => (y) {
            size = Shape (x)
            narrow = Cast <to = 6> (size)
            part = Slice (narrow, zero, one, zero)
            batch = Cast <to = 7> (part)
            target = Concat <axis = 0> (batch, six)
            y = Reshape (x, target)
        }
        """,
        zero=np.array([0]),
        one=np.array([1]),
        six=np.array([6]),
        opset=11,
    )
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = -1
    told = shapes(infer_types(copy(model)))
    values = run(model, {"x": np.zeros((5, 3, 2), np.float32)})
    assert len(told["y"]) == values["y"].ndim == 2


def test_initializers_of_old_files_need_not_be_inputs() -> None:
    # onnx's inference ignores such initializers up to IR version 3; onnxruntime runs the file.
    model = parsed(
        "g (float[N,4] x) => (float[N,3] y) { a = MatMul(x, w)  y = Softmax<axis = 1>(a) }",
        opset=7,
        w=np.ones((4, 3), np.float32),
    )
    model.ir_version = 3
    rows = np.eye(4, dtype=np.float32)
    assert run(model, {"x": rows})["y"].shape == (4, 3)
    assert shapes(infer_types(model))["a"] == (None, 3)
