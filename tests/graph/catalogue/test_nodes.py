"""What nodes read, counted by hand."""

from __future__ import annotations

import onnx
import pytest
import small_models
from onnx import helper

from onnx_ood.graph.catalogue.nodes import (
    attribute_values,
    defined_in,
    producers,
    qualified_op,
    reads,
    standard_opset,
)

NESTED = """
g (float[N, 4] x, bool a, bool b) => (float[N, 4] y) {
    h = Relu (x)
    y = If (a) <
        then_branch = outer_then () => (float[N, 4] t) {
            u = Mul (h, h)
            t = If (b) <
                then_branch = inner_then () => (float[N, 4] v) { v = Add (h, u) },
                else_branch = inner_else () => (float[N, 4] w) { w = Add (x, h) }
            >
        },
        else_branch = outer_else () => (float[N, 4] e) { h2 = Neg (h) e = Add (h2, h) }
    >
}
"""


def test_every_capture_at_any_depth_is_one_read() -> None:
    node = small_models.build(NESTED).graph.node[1]
    read = reads(node)
    # Twice in the Mul, once in each inner branch, twice in the outer else-branch.
    assert {name: read.count(name) for name in read} == {"a": 1, "b": 1, "h": 6, "x": 1}


def test_names_defined_inside_are_not_read_from_outside() -> None:
    branch = next(a.g for a in small_models.build(NESTED).graph.node[1].attribute if a.name == "then_branch")
    assert defined_in(branch) == {"u", "t"}


def test_producers_skip_empty_names() -> None:
    model = small_models.build("g (float[N, 4] x) => (float[N, 4] y) { y = Relu (x) }")
    model.graph.node[0].output.append("")
    assert {name: node.op_type for name, node in producers(model.graph.node).items()} == {"y": "Relu"}


def test_attributes_and_operators() -> None:
    model = small_models.build(
        "g (float[N, 4] x) => (float[N, 4] y) { z = LeakyRelu <alpha = 0.5> (x) y = com.microsoft.Gelu (z) }",
        domains=["com.microsoft"],
    )
    assert attribute_values(model.graph.node[0]) == {"alpha": 0.5}
    assert [qualified_op(node) for node in model.graph.node] == ["LeakyRelu", "com.microsoft::Gelu"]


def test_references_to_attributes_of_a_call_have_no_value() -> None:
    node = helper.make_node("Gemm", ["a", "b"], ["c"], beta=2.0)
    node.attribute.add(name="alpha", type=onnx.AttributeProto.FLOAT, ref_attr_name="scale")
    assert attribute_values(node) == {"beta": 2.0}


@pytest.mark.parametrize(
    ("stated", "ir_version", "version"), [(13, 8, 13), (6, 3, 6), (None, 3, 8), (None, 7, 14), (None, 10, 17)]
)
def test_a_model_without_standard_operators_may_be_given_any(
    stated: int | None, ir_version: int, version: int
) -> None:
    """By the table of onnx, IR version 3 goes with operators up to version 8, and 7 with up to 14."""
    domains = [helper.make_opsetid("ai.onnx.ml", 3)]
    if stated:
        domains.append(helper.make_opsetid("", stated))
    graph = helper.make_graph([], "g", [], [])
    made = helper.make_model(graph, opset_imports=domains, ir_version=ir_version)
    assert standard_opset(made) == version
