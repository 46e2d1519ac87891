"""Splitting a model into parts that run one after the other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import small_models
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto
from running import run

import onnx_ood
from onnx_ood.graph import Segment, Splitter

Save = Callable[..., Path]

SKIP = """
    skip (float[N, 4] x) => (float[N, 4] y) {
        c = Constant <value = float[1] {2.0}> ()
        doubled = Mul (w, c)
        a = Mul (x, doubled)
        b = Relu (a)
        d = Tanh (b)
        e = Add (d, a)
        f = Mul (e, doubled)
        g = Neg (f)
        y = Add (g, x)
        unused = Cos (y)
    }
"""


@pytest.fixture
def skip(save: Save) -> onnx_ood.Model:
    return onnx_ood.load(save(small_models.build(SKIP, {"w": small_models.normal(4, seed=3)})))


def splitter(model: onnx_ood.Model, wanted: list[str]) -> Splitter:
    return Splitter(model.proto, wanted, model.nested.types)


def ops(segment: Segment | None) -> list[str]:
    return [node.op_type for node in segment.proto.graph.node] if segment else []


def run_parts(parts: list[Segment], feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Runs parts one after the other in plain onnxruntime; gives everything that any of them gives."""
    known = dict(feeds)
    for part in parts:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        session = onnxruntime.InferenceSession(part.proto.SerializeToString(), options)
        assert {value.name for value in session.get_inputs()} == set(part.takes)
        found = session.run(list(part.gives), {name: known[name] for name in part.takes})
        known.update(zip(part.gives, found, strict=True))
    return known


def test_what_is_handed_over_is_counted(skip: onnx_ood.Model) -> None:
    # Behind b, a is still needed; the input and what constants give cost nothing.
    assert splitter(skip, ["a", "b", "d", "e", "f", "y"]).cuts() == {"a": 1, "b": 2, "d": 2, "e": 1, "f": 1}


def test_each_part_has_its_own_nodes_and_constants(skip: onnx_ood.Model) -> None:
    parts, rest = splitter(skip, ["b", "e", "g"]).segments(["b", "e"], ["y"])
    assert [ops(part) for part in parts] == [
        ["Constant", "Mul", "Mul", "Relu"],
        ["Tanh", "Add"],
        ["Constant", "Mul", "Mul", "Neg"],
    ]
    assert [part.takes for part in parts] == [("x",), ("b", "a"), ("e",)]
    assert [part.gives for part in parts] == [("a", "b"), ("e",), ("g",)]
    assert rest is not None
    assert (ops(rest), rest.takes, rest.gives) == (["Add"], ("g", "x"), ("y",))


def test_what_nothing_wanted_needs_is_left_out(skip: onnx_ood.Model) -> None:
    parts, rest = splitter(skip, ["b"]).segments([], [])
    assert [ops(part) for part in parts] == [["Constant", "Mul", "Mul", "Relu"]]
    assert rest is None
    assert splitter(skip, ["b"]).unneeded == pytest.approx(6 / 10)


def test_where_no_tensor_could_be_handed_over_there_is_no_cut(save: Save) -> None:
    text = """
        g (float[N, 4] x) => (float[N, 4] z) {
            a = Neg (x)
            parts = SequenceConstruct (a, x)
            b = Relu (a)
            y = SequenceAt (parts, zero)
            z = Add (y, b)
        }
    """
    model = onnx_ood.load(save(small_models.build(text, {"zero": np.array(0)})))
    assert splitter(model, ["a", "b", "y", "z"]).cuts() == {"a": 1, "y": 2}


def test_the_whole_model_is_not_changed(skip: onnx_ood.Model) -> None:
    before = skip.proto.SerializeToString(deterministic=True)
    splitter(skip, ["b", "e"]).segments(["b"], ["y"])
    assert skip.proto.SerializeToString(deterministic=True) == before


@given(seed=st.integers(0, 10_000), data=st.data())
@settings(max_examples=60, deadline=None)
def test_parts_compute_what_the_whole_does_bit_by_bit(seed: int, data: st.DataObject, save: Save) -> None:
    proto: ModelProto = small_models.random_net(seed, layers=9)
    model = onnx_ood.load(save(proto))
    names = [name for node in proto.graph.node for name in node.output]
    wanted = data.draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
    whole = splitter(model, wanted)
    after = [name for name in whole.cuts() if data.draw(st.booleans())]
    parts, rest = whole.segments(after, list(model.outputs))
    assert len(parts) == len(after) + 1
    for part in [*parts, *([rest] if rest else [])]:
        for value in part.proto.graph.output:
            value.type.CopyFrom(onnx.helper.make_tensor_type_proto(onnx.TensorProto.FLOAT, [None, 4]))
        onnx.checker.check_model(part.proto)
    feeds = {"x": small_models.normal(3, 4, seed=seed + 1)}
    found = run_parts([*parts, *([rest] if rest else [])], feeds)
    for name, value in run(small_models.marked(proto, wanted), feeds).items():
        assert found[name].tobytes() == value.tobytes(), name
