"""Execution order of nodes."""

from __future__ import annotations

import pytest
import small_models
from hypothesis import given
from hypothesis import strategies as st
from onnx import NodeProto, helper

from onnx_ood import ModelError
from onnx_ood.graph.catalogue.nodes import reads
from onnx_ood.graph.catalogue.order import execution_order, sizes_only


@st.composite
def sorted_nodes(draw: st.DrawFn) -> list[NodeProto]:
    """Nodes in execution order; each reads any of the tensors before it and gives one or two."""
    nodes: list[NodeProto] = []
    known = ["input"]
    for i in range(draw(st.integers(1, 12))):
        sources = draw(st.lists(st.sampled_from(known), max_size=3))
        outputs = [f"t{i}", f"u{i}"][: draw(st.integers(1, 2))]
        nodes.append(helper.make_node("Op", sources, outputs, name=str(i)))
        known += outputs
    return nodes


@given(nodes=sorted_nodes())
def test_sorted_nodes_come_back_unchanged(nodes: list[NodeProto]) -> None:
    assert [node.name for node in execution_order(nodes)] == [node.name for node in nodes]


@given(nodes=sorted_nodes(), data=st.data())
def test_shuffled_nodes_come_after_what_they_read(nodes: list[NodeProto], data: st.DataObject) -> None:
    ordered = execution_order(data.draw(st.permutations(nodes)))
    assert sorted(node.name for node in ordered) == sorted(node.name for node in nodes)
    seen = {"input"}
    for node in ordered:
        assert set(node.input) <= seen
        seen.update(node.output)


def test_captures_of_subgraphs_count_as_reads() -> None:
    nodes = list(small_models.with_if().graph.node)
    assert [node.op_type for node in execution_order(nodes[::-1])] == ["Gemm", "If", "Add"]
    assert reads(nodes[1]) == ["switch", "h", "h"]
    assert reads(small_models.with_loop().graph.node[1]) == ["three", "x", "h"]


def test_a_circle_is_refused() -> None:
    nodes = [helper.make_node("Op", ["b"], ["a"], name="first"), helper.make_node("Op", ["a"], ["b"])]
    with pytest.raises(ModelError, match="node 'first' depends on its own result"):
        execution_order(nodes)


def test_a_node_that_reads_itself_is_refused() -> None:
    with pytest.raises(ModelError, match="node 'Op' depends on its own result"):
        execution_order([helper.make_node("Op", ["a"], ["a"])])


@pytest.mark.parametrize("outputs", [[["a"], ["a"]], [["a", "a"]]])
def test_a_tensor_computed_twice_is_refused(outputs: list[list[str]]) -> None:
    with pytest.raises(ModelError, match="tensor 'a' is computed twice"):
        execution_order([helper.make_node("Op", [], names) for names in outputs])


def test_outputs_without_a_name_are_no_duplicates() -> None:
    nodes = [helper.make_node("Op", [], ["a", "", ""]), helper.make_node("Op", ["", "a"], ["", "b"])]
    assert execution_order(nodes) == nodes


@pytest.mark.parametrize("op", ["Shape", "Size"])
def test_results_of_shape_and_size_are_sizes_and_data_is_not(op: str) -> None:
    """A size stays the same whatever the values are, by the definition of both operators."""
    model = small_models.build(
        f"""
        g (float[N, 4] x) => (float[N, 4] y) {{
            n = {op} (x)
            half = Cast <to = 1> (n)
            scaled = Neg (half)
            total = ReduceSum <keepdims = 0> (x)
            mixed = Add (total, scaled)
            y = Add (x, mixed)
        }}
        """
    )
    assert sizes_only(model) == {"n", "half", "scaled"}
