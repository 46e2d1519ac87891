"""The catalogue against what a reader of the graph would write down by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import small_models
from hypothesis import given
from hypothesis import strategies as st
from onnx import ModelProto, helper, numpy_helper

import onnx_ood
from onnx_ood import ModelError
from onnx_ood.graph import format_shape
from onnx_ood.graph.catalogue.catalogue import catalogue
from onnx_ood.graph.catalogue.inference import infer_types
from onnx_ood.graph.catalogue.tensors import Tensor
from onnx_ood.graph.catalogue.type_protos import types_in

Save = Callable[..., Path]


def listed(model: ModelProto) -> tuple[Tensor, ...]:
    return catalogue(model, types_in(infer_types(model)))


def longest_paths(model: ModelProto) -> dict[str, int]:
    """Depth of every tensor by relaxing until nothing changes; those that no input reaches are left out."""
    stored = {tensor.name for tensor in model.graph.initializer}
    depth = {value.name: 0 for value in model.graph.input if value.name not in stored}
    changed = True
    while changed:
        changed = False
        for node in model.graph.node:
            reached = [depth[name] for name in node.input if name in depth]
            for name in node.output:
                if reached and depth.get(name) != max(reached) + 1:
                    depth[name] = max(reached) + 1
                    changed = True
    return depth


def test_a_classifier() -> None:
    tensors = listed(small_models.classifier())
    table = [(t.name, t.op, t.node, t.shape, t.depth, t.consumers, t.activation, t.output) for t in tensors]
    assert table == [
        ("image", "Input", "", ("N", 3, 8, 8), 0, 1, False, False),
        ("conv1", "Conv", "n0", ("N", 8, 8, 8), 1, 1, False, False),
        ("relu1", "Relu", "n1", ("N", 8, 8, 8), 2, 1, True, False),
        ("conv2", "Conv", "n2", ("N", 16, 3, 3), 3, 1, False, False),
        ("relu2", "Relu", "n3", ("N", 16, 3, 3), 4, 1, True, False),
        ("pooled", "GlobalAveragePool", "n4", ("N", 16, 1, 1), 5, 1, False, False),
        ("flat", "Flatten", "n5", ("N", 16), 6, 1, False, False),
        ("logits", "Gemm", "n6", ("N", 5), 7, 0, False, True),
    ]
    assert [t.index for t in tensors] == list(range(8))
    assert {t.dtype for t in tensors} == {"float32"}
    assert not any(t.constant for t in tensors)


def test_a_residual_block_is_as_deep_as_its_longest_path() -> None:
    depth = {t.name: t.depth for t in listed(small_models.residual())}
    assert depth == {"x": 0, "stem": 1, "h": 2, "act": 3, "back": 4, "sum": 5, "y": 6}


def test_consumers_are_counted_as_often_as_they_read() -> None:
    model = small_models.build("g (float[N] x) => (float[N] y) { a = Mul (x, x) y = Add (x, a) }")
    assert {t.name: t.consumers for t in listed(model)} == {"x": 3, "a": 1, "y": 0}


@pytest.mark.parametrize("make", [small_models.with_if, small_models.with_loop])
def test_captured_tensors_have_the_subgraph_as_a_reader(make: Callable[[], ModelProto]) -> None:
    tensors = {t.name: t for t in listed(make())}
    outer = next(t for t in tensors.values() if t.op in {"If", "Loop"})
    assert tensors["h"].consumers == {"If": 3, "Loop": 1}[outer.op]  # If: both branches and the last Add.
    assert outer.depth == tensors["h"].depth + 1
    assert not {"t", "e", "state", "next", "i"} & set(tensors), (
        "tensors of subgraphs are not of the main graph"
    )


def test_each_capture_of_each_subgraph_is_a_consumer() -> None:
    """Two reads in one branch, one in the other, one in a second If, and one outside: five."""
    model = small_models.build(
        """
        g (float[N, 4] x, bool c) => (float[N, 4] y) {
            h = Relu (x)
            a = If (c) <
                then_branch = t1 () => (float[N, 4] t) { t = Mul (h, h) },
                else_branch = e1 () => (float[N, 4] e) { e = Neg (h) }
            >
            b = If (c) <
                then_branch = t2 () => (float[N, 4] u) { u = Abs (h) },
                else_branch = e2 () => (float[N, 4] v) { v = Neg (x) }
            >
            y = Sum (a, b, h)
        }
        """
    )
    assert {t.name: t.consumers for t in listed(model)} == {"x": 2, "c": 2, "h": 5, "a": 1, "b": 1, "y": 0}


def test_a_branch_that_hands_an_outer_value_back_reads_it() -> None:
    model = small_models.with_if()
    branch = next(node for node in model.graph.node if node.op_type == "If").attribute[1].g
    del branch.node[:]
    branch.output[0].name = "h"
    assert {t.name: t.consumers for t in listed(model)}["h"] == 3


def test_a_name_of_a_subgraph_hides_the_outer_one() -> None:
    model = small_models.with_loop()
    body = next(node for node in model.graph.node if node.op_type == "Loop").attribute[0].g
    body.input[2].name = "h"
    body.node[1].input[0] = "h"
    assert {t.name: t.consumers for t in listed(model)}["h"] == 0


def test_what_no_input_reaches_is_constant() -> None:
    model = small_models.build(
        """
        g (float[N, 2] x) => (float[N, 2] y) {
            c = Constant <value = float[2] {-1, 1}> ()
            r = Relu (c)
            s = Shape (x)
            y = Add (x, r)
        }
        """
    )
    tensors = {t.name: t for t in listed(model)}
    assert {name for name, t in tensors.items() if t.constant} == {"c", "r"}
    assert (tensors["r"].activation, tensors["r"].depth) == (False, 0), "a constant is nobody's activation"
    assert (tensors["s"].dtype, tensors["s"].depth) == ("int64", 1)


def test_an_input_with_a_stored_value_needs_no_feed() -> None:
    model = small_models.residual()
    model.graph.input.append(helper.make_tensor_value_info("w1", 1, [4, 4]))
    assert [t.name for t in listed(model) if t.is_input] == ["x"]


def test_nodes_in_any_order_give_the_same_catalogue() -> None:
    def without_node_names(model: ModelProto) -> list[tuple[object, ...]]:
        return [(t.name, t.op, t.dtype, t.shape, t.depth, t.consumers) for t in listed(model)]

    assert without_node_names(small_models.unsorted()) == without_node_names(small_models.classifier())


@given(seed=st.integers(0, 10_000))
def test_depth_is_the_longest_path(seed: int) -> None:
    model = small_models.random_net(seed, layers=12)
    expected = longest_paths(model)
    assert {t.name: t.depth for t in listed(model)} == expected


@pytest.mark.parametrize(
    ("kind", "dtype"), [("float16", "float16"), ("double", "float64"), ("bfloat16", "bfloat16")]
)
def test_floats_of_every_width(kind: str, dtype: str) -> None:
    tensors = listed(small_models.build(f"g ({kind}[N] x) => ({kind}[N] y) {{ y = Relu (x) }}"))
    assert [(t.dtype, t.floating) for t in tensors] == [(dtype, True)] * 2


def test_what_is_no_tensor_of_floats() -> None:
    assert {t.name: t.dtype for t in listed(small_models.labels())}["label"] == "int64"
    parts = {t.name: t for t in listed(small_models.sequence())}["parts"]
    assert (parts.dtype, parts.shape, parts.floating) == ("sequence", None, False)


def test_types_behind_operators_of_the_runtime_are_as_it_infers_them() -> None:
    tensors = {t.name: t for t in listed(small_models.contrib())}
    assert (tensors["h"].domain, tensors["h"].dtype, tensors["h"].shape) == (
        "com.microsoft",
        "float32",
        ("N", 4),
    )
    assert tensors["h"].activation
    assert tensors["codes"].dtype == "uint8"


def test_types_behind_an_operator_of_nobody_are_unknown_not_guessed() -> None:
    model = small_models.build(
        "g (float[N, 4] x) => (float[N, 4] y) { h = nobodys.Own (x) y = Relu (h) }", domains=["nobodys"]
    )
    tensors = {t.name: t for t in listed(model)}
    assert (tensors["h"].dtype, tensors["h"].shape) == (None, None)


def test_sizes_that_are_no_sizes_are_unknown() -> None:
    model = small_models.build("g (float[N, 4] x) => (float[N, 4] y) { y = Relu (x) }")
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = -1
    model.graph.output[0].type.tensor_type.ClearField("shape")
    assert listed(model)[0].shape == ("N", None)


def test_shapes_follow_from_small_stored_tensors_only(save: Save) -> None:
    """The target of a Reshape is known to inference although weights are kept from it."""
    model = small_models.build(
        "g (float[N, 6] x) => (y) { m = MatMul (x, w) y = Reshape (m, to) }",
        {"w": small_models.normal(6, 3000), "to": small_models.np.array([-1, 30, 100], "int64")},
    )
    tensors = {t.name: t for t in listed(model)}
    assert tensors["m"].shape == ("N", 3000)
    assert tensors["y"].shape is not None
    assert tensors["y"].shape[1:] == (30, 100)


def test_the_proto_is_not_changed() -> None:
    for model in (small_models.classifier(), small_models.with_if(), small_models.unsorted()):
        before = model.SerializeToString(deterministic=True)
        listed(model)
        assert model.SerializeToString(deterministic=True) == before


def test_an_output_that_optional_means_is_not_listed() -> None:
    model = small_models.build("g (float[N, 4] x) => (float[N, 4] y) { y = Dropout (x) }")
    model.graph.node[0].output.append("")
    assert [t.name for t in listed(model)] == ["x", "y"]


def test_an_undefined_tensor_is_named() -> None:
    for model in (
        small_models.build("g (float[N, 4] x) => (float[N, 4] y) { y = Add (x, nowhere) }"),
        small_models.build(
            """g (float[N, 4] x, bool on) => (float[N, 4] y) {
                y = If (on) <
                    then_branch = a () => (float[N, 4] t) { t = Relu (nowhere) },
                    else_branch = b () => (float[N, 4] e) { e = Tanh (x) }
                >
            }"""
        ),
    ):
        with pytest.raises(ModelError, match=r"node .* reads 'nowhere', which nothing defines"):
            listed(model)


def test_weights_of_any_type_are_allowed(save: Save) -> None:
    model = small_models.residual()
    model.graph.initializer.append(
        numpy_helper.from_array(small_models.np.array(["a", "b"], object), "words")
    )
    assert onnx_ood.load(save(model)).outputs == ("y",)


def test_shapes_as_people_write_them() -> None:
    assert format_shape(("batch", 3, None)) == "[batch, 3, ?]"
    assert format_shape(()) == "[]"
    assert format_shape(None) == "[...]"
