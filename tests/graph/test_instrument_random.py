"""Random graphs with nested control flow, functions, odd types and names used in every scope."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path

import numpy as np
import onnx
import small_models
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper
from onnxruntime.capi.onnxruntime_pybind11_state import Fail
from running import everything_computed, run, same_bits, stream

import onnx_ood
from onnx_ood.graph import nudgeable

Save = Callable[..., Path]
FLOAT = helper.make_tensor_type_proto(TensorProto.FLOAT, [2, 3])
ODD = (TensorProto.INT64, TensorProto.BOOL, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.INT8)


class Writer:
    """Writes random graphs. Values are float [2, 3] throughout, so that anything can read anything."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw
        self._numbers = count()

    def node(self, op: str, inputs: list[str], output: str, **attributes: object) -> NodeProto:
        """A node with a name that no other has."""
        return helper.make_node(op, inputs, [output], name=f"{op}{next(self._numbers)}", **attributes)

    def nodes(self, visible: list[str], depth: int, functions: bool = True) -> tuple[list[NodeProto], str]:
        """Nodes of one scope and the name of the last value. Scopes of one depth use the same names."""
        nodes: list[NodeProto] = []
        visible = list(visible)
        kinds = ["plain", "plain", "two", "odd"] + ["if", "loop"] * (depth < 3) + ["call"] * functions
        for i in range(self._draw(st.integers(1, 3))):
            out = f"d{depth}_{i}"
            source, other = (self._draw(st.sampled_from(visible)) for _ in range(2))
            kind = self._draw(st.sampled_from(kinds))
            if kind == "plain":
                op = self._draw(st.sampled_from(["Relu", "Tanh", "Neg", "Sigmoid"]))
                nodes.append(self.node(op, [source], out))
            elif kind == "two":
                op = self._draw(st.sampled_from(["Add", "Sub", "Max"]))
                nodes.append(self.node(op, [source, other], out))
            elif kind == "odd":
                to = self._draw(st.sampled_from(ODD))
                nodes.append(self.node("Cast", [source], f"{out}_odd", to=to))
                nodes.append(self.node("Cast", [f"{out}_odd"], out, to=TensorProto.FLOAT))
            elif kind == "call":
                nodes.append(self.node("F", [source, other], out, domain="local"))
            elif kind == "if":
                nodes += self._if(visible, depth, functions, source, out)
            else:
                nodes += self._loop(visible, depth, functions, source, out)
            visible.append(out)
        return nodes, visible[-1]

    def _if(self, visible: list[str], depth: int, functions: bool, source: str, out: str) -> list[NodeProto]:
        branches = {
            name: self._body(visible, depth, functions, []) for name in ("then_branch", "else_branch")
        }
        return [
            self.node("ReduceSum", [source], f"{out}_sum", keepdims=0),
            self.node("Constant", [], f"{out}_zero", value_float=0.0),
            self.node("Greater", [f"{out}_sum", f"{out}_zero"], f"{out}_cond"),
            self.node("If", [f"{out}_cond"], out, **branches),
        ]

    def _loop(
        self, visible: list[str], depth: int, functions: bool, source: str, out: str
    ) -> list[NodeProto]:
        state = f"d{depth + 1}_state"
        body = self._body([*visible, state], depth, functions, [state])
        times = self._draw(st.integers(0, 3))
        return [
            self.node("Constant", [], f"{out}_times", value_int=times),
            self.node(
                "Constant", [], f"{out}_yes", value=helper.make_tensor("", TensorProto.BOOL, [], [True])
            ),
            self.node("Loop", [f"{out}_times", f"{out}_yes", source], out, body=body),
        ]

    def _body(self, visible: list[str], depth: int, functions: bool, states: list[str]) -> GraphProto:
        nodes, last = self.nodes(visible, depth + 1, functions)
        result = f"d{depth + 1}_result"
        nodes.append(self.node("Identity", [last], result))
        inputs, outputs = [], [helper.make_value_info(result, FLOAT)]
        if states:
            going, on = f"d{depth + 1}_going", f"d{depth + 1}_on"
            nodes.append(self.node("Identity", [going], on))
            inputs = [
                helper.make_tensor_value_info(f"d{depth + 1}_i", TensorProto.INT64, []),
                helper.make_tensor_value_info(going, TensorProto.BOOL, []),
                *(helper.make_value_info(name, FLOAT) for name in states),
            ]
            outputs.insert(0, helper.make_tensor_value_info(on, TensorProto.BOOL, []))
        return helper.make_graph(nodes, "body", inputs, outputs)


@st.composite
def models(draw: st.DrawFn) -> ModelProto:
    writer = Writer(draw)
    opset = draw(st.sampled_from([13, 14, 17, 21]))
    imports = [helper.make_opsetid("", opset), helper.make_opsetid("local", 1)]
    # The function's names are those of the main graph.
    inside, last = writer.nodes(["x", "d0_0x"], 0, functions=False)
    function = helper.make_function("local", "F", ["x", "d0_0x"], [last], inside, imports)
    nodes, last = writer.nodes(["x"], 0)
    graph = helper.make_graph(
        nodes, "g", [helper.make_value_info("x", FLOAT)], [helper.make_value_info(last, FLOAT)]
    )
    return helper.make_model(graph, functions=[function], opset_imports=imports, ir_version=8)


@given(model=models(), seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_everything_in_a_random_graph_is_what_the_reference_says(
    model: ModelProto, seed: int, save: Save
) -> None:
    feeds = {"x": small_models.normal(2, 3, seed=seed)}
    onnx.checker.check_model(model, full_check=True)
    try:
        plain = run(model, feeds)
    except Fail:
        # onnxruntime itself can't run some graphs that use a name again in a function and in a loop's body.
        reject()
    expected = everything_computed(model, feeds)
    loaded = onnx_ood.load(save(model))
    result = onnx_ood.instrument(loaded, probes="all")
    if not result.untyped:
        onnx.checker.check_model(result.model, full_check=True)
    # Nudges that aren't fed, in every scope. On the CPU the runtime adds float16 in float32 and leaves out the rounding
    # before, so there they would show.
    sites = [tensor.name for tensor in nudgeable(loaded) if tensor.dtype in {"float32", "float64"}]
    everywhere = onnx_ood.instrument(loaded, probes="all", sites=sites)
    assert "x" in everywhere.inputs
    assert len(everywhere.inputs) == len(sites)
    if not everywhere.untyped:
        onnx.checker.check_model(everywhere.model, full_check=True)
    values = run(result.model, feeds)
    untouched = run(everywhere.model, feeds)
    for name, output in everywhere.outputs.items():
        assert same_bits(untouched[output], values[result.outputs[name]]), name
    assert all(same_bits(value, values[name]) for name, value in plain.items())
    for reason in result.refused.values():
        assert "version 14 or newer" in reason
    by_node: dict[str, list[np.ndarray]] = {}
    for tensor in (*loaded.tensors, *loaded.nested_tensors):
        if tensor.name in result.outputs and tensor.node:  # An argument of a body has no node.
            value = stream(values[result.outputs[tensor.name]])
            by_node.setdefault(tensor.node, []).append(value)
    for node, streams in by_node.items():
        # A function's node has a path for each call, and in loops the calls take turns: sorted, the order is no matter.
        got = np.concatenate(streams)
        want = stream(expected.get(node, []))
        if len(got) == len(want):
            np.testing.assert_allclose(
                np.sort(got.astype(float)), np.sort(want.astype(float)), rtol=1e-2, atol=1e-3, err_msg=node
            )
        else:
            assert result.refused, node
