"""Watching tensors anywhere in a model: values, types, names, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import small_models
from onnx import ModelProto, TensorProto, helper
from running import everything_computed, run, same_bits, stream

import onnx_ood
from onnx_ood import Instrumented, SelectorError
from onnx_ood.graph.catalogue.names import PREFIX

Save = Callable[..., Path]
X = small_models.normal(2, 4)


def name_nodes(nodes: Iterable[onnx.NodeProto], prefix: str) -> None:
    """Gives every node inside a name of its own, by which the reference's values are found."""
    for i, node in enumerate(nodes):
        node.name = node.name or f"{prefix}{i}"
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                name_nodes(attribute.g.node, f"{node.name}.{attribute.name}.")


def passes_the_checker(model: ModelProto) -> bool:
    try:
        onnx.checker.check_model(model, full_check=True)
    except Exception:
        return False
    return True


def watched(model: ModelProto, save: Save, feeds: Mapping[str, Any]) -> tuple[Instrumented, dict[str, Any]]:
    """Watches everything; checks what always holds, and gives the values by tensor."""
    before = model.SerializeToString(deterministic=True)
    path = save(model)
    result = onnx_ood.instrument(path, probes="all")
    assert onnx.load(path).SerializeToString(deterministic=True) == before
    if not result.untyped and passes_the_checker(model):
        onnx.checker.check_model(result.model, full_check=True)
    assert result.model.ir_version == model.ir_version
    assert [*result.model.opset_import][: len(model.opset_import)] == [*model.opset_import]
    plain, values = run(model, feeds), run(result.model, feeds)
    assert list(values)[: len(plain)] == list(plain)
    assert all(same_bits(value, values[name]) for name, value in plain.items())
    return result, {name: values[output] for name, output in result.outputs.items()}


NESTED = """
nested (float[N, 4] x, bool c, int64 three) => (float[N, 4] y) {
    h = Relu (x)
    y = If (c) <
        then_branch = a () => (float[N, 4] t) { u = Relu (h) v = Exp (u) t = Neg (v) },
        else_branch = b () => (float[N, 4] t) {
            u = Tanh (h)
            yes = Constant <value = bool {1}> ()
            t = Loop (three, yes, u) <body = outer (int64 i, bool go, float[N, 4] s) => (bool on, float[N, 4] next) {
                on = Identity (go)
                q = Sigmoid (s)
                two = Constant <value = int64 {2}> ()
                w = Loop (two, yes, q) <body = inner (int64 j, bool go2, float[N, 4] s2) => (bool on2, float[N, 4] n2) {
                    on2 = Identity (go2)
                    k = Exp (s2)
                    n2 = Neg (k)
                }>
                zero = Constant <value = int64 {0}> ()
                first = Equal (i, zero)
                z = If (first) <
                    then_branch = d () => (float[N, 4] r) {
                        r = Loop (two, yes, w) <
                            body = third (int64 m, bool go3, float[N, 4] s3) => (bool on3, float[N, 4] n3) {
                                on3 = Identity (go3)
                                n3 = Sin (s3)
                            }
                        >
                    },
                    else_branch = e () => (float[N, 4] r) { r = Cos (q) }
                >
                next = Add (q, z)
            }>
        }
    >
}
"""


class TestControlFlow:
    @pytest.mark.parametrize("taken", [True, False])
    @pytest.mark.parametrize("opset", [14, 17, 21])
    def test_composes(self, taken: bool, opset: int, save: Save) -> None:
        model = small_models.build(NESTED, opset=opset)
        name_nodes(model.graph.node, "")
        feeds = {"x": X, "c": np.array(taken), "three": np.array(3)}
        expected = everything_computed(model, feeds)
        result, values = watched(model, save, feeds)
        assert not result.refused
        named = {t.name: t.node for t in onnx_ood.load(save(model)).nested_tensors}
        checked = 0
        for path, value in values.items():
            if named.get(path):
                want = stream(expected.get(named[path], []))
                np.testing.assert_allclose(stream(value), want, rtol=1e-5, err_msg=path)
                checked += want.size > 0
        assert checked >= (3 if taken else 10)

    def test_a_branch_that_is_not_taken_gives_nothing(self, save: Save) -> None:
        feeds = {"x": X, "switch": np.array(False)}
        _, values = watched(small_models.with_if(), save, feeds)
        assert values["n1/then_branch/t"].shape == (0, 0)
        assert values["n1/else_branch/e"].shape == (2, 4)

    def test_a_loop_gives_one_value_an_iteration(self, save: Save) -> None:
        _, values = watched(small_models.with_loop(), save, {"x": X})
        h = values["h"]
        # The bool is a scalar each time, so it comes stacked; nothing says so of the state.
        assert values["n1/body/on"].tolist() == [True] * 3
        np.testing.assert_array_equal(values["n1/body/next"], np.array([X + h, X + h + h, X + h + h + h]))

    def test_values_whose_shape_changes_come_one_by_one(self, save: Save) -> None:
        model = small_models.build(
            """
            growing (float[N, 4] x, int64 n) => (y) {
                y = Loop (n, , x) <body = b (int64 i, bool go, s) => (bool on, next) {
                    on = Identity (go)
                    d = Neg (s)
                    next = Concat <axis = 0> (s, d)
                }>
            }
            """
        )
        model.graph.output[0].type.tensor_type.elem_type = TensorProto.FLOAT
        _, values = watched(model, save, {"x": X, "n": np.array(3)})
        assert [value.shape for value in values["n0/body/d"]] == [(2, 4), (4, 4), (8, 4)]
        _, values = watched(model, save, {"x": X, "n": np.array(0)})
        assert values["n0/body/d"] == []

    def test_a_scan_gives_one_value_a_step(self, save: Save) -> None:
        model = small_models.build(
            """
            running (float[5, 4] x) => (float[4] last, float[5, 4] sums) {
                start = Constant <value = float[4] {0, 0, 0, 0}> ()
                last, sums = Scan <num_scan_inputs = 1, scan_output_axes = [0], scan_output_directions = [0],
                    body = b (float[4] s, float[4] row) => (float[4] next, float[4] sum) {
                        twice = Add (row, row)
                        next = Add (s, twice)
                        sum = Identity (next)
                    }
                > (start, x)
            }
            """
        )
        x = small_models.normal(5, 4)
        _, values = watched(model, save, {"x": x})
        np.testing.assert_array_equal(values["n1/body/twice"], x + x)
        np.testing.assert_array_equal(values["n1/body/next"], values["sums"])

    def test_names_may_be_the_same_in_every_scope(self, save: Save) -> None:
        model = small_models.build(
            """
            g (float[N, 4] x, bool c) => (float[N, 4] y) {
                a = If (c) <then_branch = t () => (float[N, 4] v) { w = Relu (x) v = Neg (w) },
                            else_branch = e () => (float[N, 4] v) { w = Exp (x) v = Sin (w) }>
                y = If (c) <then_branch = t () => (float[N, 4] v) { w = Cos (a) v = Tanh (w) },
                            else_branch = e () => (float[N, 4] v) { w = Neg (a) v = Exp (w) }>
            }
            """
        )
        for node in model.graph.node:
            node.name = ""
        _, values = watched(model, save, {"x": X, "c": np.array(True)})
        np.testing.assert_array_equal(values["If_0/then_branch/w"], np.maximum(X, 0))
        np.testing.assert_allclose(values["If_1/then_branch/w"], np.cos(values["a"]), rtol=1e-5)
        assert values["If_1/else_branch/w"].size == 0

    def test_old_loops_hand_out_what_keeps_its_shape_and_refuse_the_rest(self, save: Save) -> None:
        model = small_models.with_loop()
        model.opset_import[0].version = 11
        inside = next(iter(model.graph.node[1].attribute)).g
        inside.node.add(op_type="Neg", input=["h"], output=["same_each_time"])
        result, values = watched(model, save, {"x": X})
        assert values["n1/body/same_each_time"].shape == (3, 2, 4)
        assert result.refused == {}

    def test_sequences_in_bodies_are_refused_by_name(self, save: Save) -> None:
        model = small_models.build(
            """
            g (float[N, 4] x, int64 n) => (float[N, 4] y) {
                y = Loop (n, , x) <body = b (int64 i, bool go, s) => (bool on, next) {
                    on = Identity (go)
                    parts = SplitToSequence <axis = 1> (s)
                    next = ConcatFromSequence <axis = 1> (parts)
                }>
            }
            """
        )
        result, _ = watched(model, save, {"x": X, "n": np.array(2)})
        assert "is a sequence inside a Loop" in result.refused["n0/body/parts"]
        with pytest.raises(SelectorError, match="'n0/body/parts' is a sequence inside a Loop"):
            onnx_ood.instrument(save(model), probes="n0/body/parts")
        with pytest.raises(SelectorError, match="matches no tensor that can be watched"):
            onnx_ood.instrument(save(model), probes="*/parts")


def with_functions() -> ModelProto:
    """Two calls of one function, which calls another, which has an If; every name is used in all of them."""
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)]
    branch = {
        name: helper.make_graph(
            [helper.make_node(op, ["x"], ["v"])],
            name,
            [],
            [helper.make_empty_tensor_value_info("v")],
        )
        for name, op in (("then_branch", "Neg"), ("else_branch", "Exp"))
    }
    inner = helper.make_function(
        "local", "Inner", ["x"], ["y"],
        [
            helper.make_node("ReduceSum", ["x"], ["h"], keepdims=0),
            helper.make_node("Constant", [], ["zero"], value_float=0.0),
            helper.make_node("Greater", ["h", "zero"], ["c"]),
            helper.make_node("If", ["c"], ["y"], name="choose", **branch),
        ],
        imports[:1],
    )  # fmt: skip
    leaky = helper.make_node("LeakyRelu", ["x"], ["h"])
    leaky.attribute.add(name="alpha", ref_attr_name="slope", type=onnx.AttributeProto.FLOAT)
    outer = helper.make_function(
        "local", "Outer", ["x"], ["y", "h"],
        [leaky, helper.make_node("Inner", ["h"], ["z"], domain="local", name="deep"),
         helper.make_node("Add", ["h", "z"], ["y"])],
        imports, attributes=["slope"],
    )  # fmt: skip
    first = helper.make_node("Outer", ["x"], ["h", "z"], domain="local", name="one", slope=0.5)
    second = helper.make_node("Outer", ["h"], ["y", "w"], domain="local", slope=0.1)
    graph = helper.make_graph(
        [first, second],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 4])],
    )
    return helper.make_model(graph, functions=[outer, inner], opset_imports=imports, ir_version=8)


class TestFunctions:
    def test_have_their_tensors_once_for_each_call(self, save: Save) -> None:
        result, values = watched(with_functions(), save, {"x": X})
        assert not result.refused
        np.testing.assert_allclose(values["one/Outer/h"], np.where(X > 0, X, 0.5 * X))
        np.testing.assert_array_equal(values["one/Outer/y"], values["h"])
        np.testing.assert_array_equal(values["Outer_1/Outer/h"], values["w"])
        for call in ("one", "Outer_1"):
            x = values[f"{call}/Outer/h"]
            inner = f"{call}/Outer/deep/Inner"
            np.testing.assert_allclose(values[f"{inner}/h"], x.sum(), rtol=1e-5)
            taken, other = ("then", "else") if x.sum() > 0 else ("else", "then")
            np.testing.assert_allclose(
                values[f"{inner}/choose/{taken}_branch/v"], -x if x.sum() > 0 else np.exp(x), rtol=1e-5
            )
            assert values[f"{inner}/choose/{other}_branch/v"].size == 0

    def test_stay_functions_where_nothing_inside_is_watched(self, save: Save) -> None:
        result = onnx_ood.instrument(save(with_functions()), probes="one/Outer/z")
        assert [node.op_type for node in result.model.graph.node] == [
            "LeakyRelu",
            "Inner",
            "Add",
            "Outer",
        ]
        assert len(result.model.functions) == 2
        assert run(result.model, {"x": X})[result.outputs["one/Outer/z"]].shape == (2, 4)

    def test_of_another_version_of_the_operators_are_refused(self, save: Save) -> None:
        model = with_functions()
        model.functions[1].opset_import[0].version = 16
        with pytest.raises(SelectorError, match="is written for version 16 of the standard operators"):
            onnx_ood.instrument(save(model), probes="one/Outer/deep/Inner/h")
        assert onnx_ood.instrument(save(model), probes="one/Outer/z").outputs

    def test_that_call_themselves_are_no_model(self, save: Save) -> None:
        model = with_functions()
        model.functions[1].node.add(op_type="Outer", domain="local", input=["x"], output=["again"])
        with pytest.raises(onnx_ood.ModelError, match="calls itself"):
            onnx_ood.instrument(save(model), probes="all")


ODD = {
    "BFLOAT16": (13, np.float32),
    "FLOAT8E4M3FN": (19, np.float32),
    "FLOAT8E4M3FNUZ": (19, np.float32),
    "FLOAT8E5M2": (19, np.float32),
    "FLOAT8E5M2FNUZ": (19, np.float32),
    "INT4": (21, np.int8),
    "UINT4": (21, np.uint8),
    "FLOAT16": (17, np.float16),
    "DOUBLE": (17, np.float64),
    "BOOL": (17, np.bool_),
    "INT8": (17, np.int8),
    "UINT8": (17, np.uint8),
    "INT16": (17, np.int16),
    "UINT16": (17, np.uint16),
    "INT32": (17, np.int32),
    "UINT32": (17, np.uint32),
    "INT64": (17, np.int64),
    "UINT64": (17, np.uint64),
    "STRING": (17, np.object_),
}


class TestTypes:
    @pytest.mark.parametrize("name", ODD)
    def test_of_every_kind_come_back(self, name: str, save: Save) -> None:
        opset, dtype = ODD[name]
        number = TensorProto.DataType.Value(name)
        model = small_models.build(
            f"""
            g (float[2, 4] x, bool c, int64 n) => (float[2, 4] y) {{
                p = Abs (x)
                odd = Cast <to = {number}> (p)
                back = Cast <to = 1> (odd)
                z = If (c) <then_branch = t () => (float[2, 4] v) {{
                        w = Cast <to = {number}> (p) v = Cast <to = 1> (w) }},
                            else_branch = e () => (float[2, 4] v) {{ v = Identity (p) }}>
                y = Loop (n, , z) <body = b (int64 i, bool go, s) => (bool on, next) {{
                    on = Identity (go)
                    w = Cast <to = {number}> (p)
                    f = Cast <to = 1> (w)
                    u = Cast <to = {number}> (s)
                    next = Add (f, s)
                }}>
            }}
            """,
            opset=opset,
        )
        model.ir_version = 10
        x = np.round(small_models.normal(2, 4))
        for taken in (True, False):
            feeds = {"x": x, "c": np.array(taken), "n": np.array(2)}
            result, values = watched(model, save, feeds)
            assert not result.refused
            odd = values["odd"]
            assert odd.dtype == dtype
            if name != "STRING":
                np.testing.assert_array_equal(odd.astype(np.float32), values["back"])
            assert values["n3/then_branch/w"].shape == ((2, 4) if taken else (0, 0))
            assert values["n4/body/w"].tolist() == [odd.tolist()] * 2
            assert len(values["n4/body/u"]) == 2

    def test_sequences_and_optionals_come_as_they_are(self, save: Save) -> None:
        model = small_models.build(
            """
            g (float[N, 4] x, bool c) => (float[N, 4] y) {
                parts = SplitToSequence <axis = 1> (x)
                perhaps = Optional (x)
                y = If (c) <then_branch = t () => (float[N, 4] v) {
                        inner = SplitToSequence <axis = 0> (x)
                        maybe = Optional (x)
                        v = OptionalGetElement (maybe)
                    },
                    else_branch = e () => (float[N, 4] v) { v = ConcatFromSequence <axis = 1> (parts) }>
            }
            """,
            opset=18,
        )
        for taken in (True, False):
            _, values = watched(model, save, {"x": X, "c": np.array(taken)})
            assert [part.shape for part in values["parts"]] == [(2, 1)] * 4
            np.testing.assert_array_equal(values["perhaps"], X)
            assert len(values["n2/then_branch/inner"]) == (2 if taken else 0)
            maybe = values["n2/then_branch/maybe"]
            assert same_bits(maybe, X) if taken else maybe is None

    def test_of_the_runtimes_own_operators_are_those_of_the_runtime(self, save: Save) -> None:
        result, values = watched(small_models.contrib(), save, {"x": X})
        assert result.untyped == ()
        types = {value.name: value.type.tensor_type.elem_type for value in result.model.graph.output[1:]}
        assert {name: onnx.helper.tensor_dtype_to_np_dtype(kind) for name, kind in types.items()} == {
            name: values[name].dtype for name in result.outputs if name != "y"
        }

    def test_that_nobody_can_infer_are_listed(self, save: Save) -> None:
        model = small_models.build(
            "g (float[N, 4] x) => (float[N, 4] y) { h = nobodys.Own (x) y = Relu (h) }", domains=["nobodys"]
        )
        assert onnx_ood.instrument(save(model), probes="op:Own").untyped == ("h",)

    @pytest.mark.parametrize("opset", [13, 15, 21])
    def test_whose_rank_depends_on_what_is_fed_are_optional_values(self, save: Save, opset: int) -> None:
        model = small_models.build(
            """
            ranks (float[2, 4] x, int64[3] sizes, bool c) => (float[N, M] y) {
                r = Reshape (x, sizes)
                s = Squeeze (r)
                t = If (c) <
                    then_branch = a () => (float[N, M] v) { p = Squeeze (r) q = Neg (p) v = Flatten (q) },
                    else_branch = b () => (float[N, M] w) { w = Flatten (r) }>
                u = Neg (s)
                y = Flatten (u)
            }
            """,
            opset=opset,
        )
        for sizes, shape in [((2, 2, 2), (2, 2, 2)), ((1, 8, 1), (8,))]:
            result, values = watched(model, save, {"x": X, "sizes": np.array(sizes), "c": np.array(True)})
            for name, expected in [("s", X), ("u", -X), ("n2/then_branch/p", X), ("n2/then_branch/q", -X)]:
                assert same_bits(values[name], expected.reshape(shape))
        # Optional values are there from version 15 of the operators.
        names = {"s", "u", "n2/then_branch/p", "n2/then_branch/q"}
        kinds = {value.name: value.type.WhichOneof("value") for value in result.model.graph.output}
        if opset < 15:
            assert set(result.untyped) == {result.outputs[name] for name in names}
            assert set(kinds.values()) == {"tensor_type"}
        else:
            assert not result.untyped
            assert {
                name for name in result.outputs if kinds[result.outputs[name]] == "optional_type"
            } == names


class TestNames:
    def test_of_the_model_win_over_added_ones(self, save: Save) -> None:
        model = small_models.with_if()
        taken = f"{PREFIX}n1/then_branch/t"
        model.graph.node.add(op_type="Neg", input=["h"], output=[taken])
        # A main-graph tensor that is called like the path of one inside.
        model.graph.node.add(op_type="Exp", input=["h"], output=["n1/then_branch/t"])
        result, values = watched(model, save, {"x": X, "switch": np.array(True)})
        np.testing.assert_array_equal(values[taken], -values["h"])
        np.testing.assert_allclose(values["n1/then_branch/t"], np.exp(values["h"]), rtol=1e-5)
        np.testing.assert_array_equal(values["n1/then_branch/t#2"], np.maximum(values["h"], 0))
        assert len(set(result.outputs.values())) == len(result.outputs)

    def test_stay_unique_when_a_model_is_rewritten_twice(self, save: Save) -> None:
        once = onnx_ood.instrument(save(small_models.with_if()), probes="all")
        again, values = watched(once.model, save, {"x": X, "switch": np.array(True)})
        assert again.outputs["n1/then_branch/t"] != once.outputs["n1/then_branch/t"]
        # What the first rewriting added to the branch that is taken has been watched by the second.
        np.testing.assert_array_equal(values["n1/then_branch/t"], values[once.outputs["n1/then_branch/t"]])

    def test_metadata_and_everything_else_stays(self, save: Save) -> None:
        model = small_models.with_if()
        model.doc_string, model.domain, model.model_version = "what it is", "org.example", 3
        model.metadata_props.add(key="author", value="somebody")
        model.graph.doc_string = "a graph"
        model.graph.node[0].doc_string = "a node"
        result = onnx_ood.instrument(save(model), probes="n1/then_branch/t")
        stripped = ModelProto()
        stripped.CopyFrom(result.model)
        del stripped.graph.output[1:]
        node = stripped.graph.node[1]
        del node.output[1:]
        for attribute in node.attribute:
            del attribute.g.output[1:]
            del attribute.g.node[1:]
        assert stripped == model


class TestSelecting:
    def test_by_scoped_path_and_glob(self, save: Save) -> None:
        path = save(small_models.with_if())
        assert set(onnx_ood.instrument(path, probes="n1/*/t").outputs) == {"n1/then_branch/t"}
        assert set(onnx_ood.instrument(path, probes=["*_branch/*"]).outputs) == {
            "n1/then_branch/t",
            "n1/else_branch/e",
        }
        assert set(onnx_ood.instrument(path, probes="op:Neg").outputs) == {"n1/else_branch/e"}

    def test_inputs_and_initializers_only_by_name(self, save: Save) -> None:
        model = small_models.classifier()
        result, values = watched(model, save, {"image": small_models.images(2)})
        assert {"image", "w1"}.isdisjoint(result.outputs)
        asked = onnx_ood.instrument(save(model), probes=["image", "w1"])
        onnx.checker.check_model(asked.model, full_check=True)
        values = run(asked.model, {"image": small_models.images(2)})
        np.testing.assert_array_equal(values["image"], small_models.images(2))
        assert values["w1"].shape == (8, 3, 3, 3)

    def test_inner_tensors_are_listed(self, save: Save) -> None:
        model = onnx_ood.load(save(small_models.with_if()))
        assert [(t.name, t.scope, t.op, t.dtype, t.shape) for t in model.nested_tensors] == [
            ("n1/then_branch/t", "n1/then_branch", "Relu", "float32", ("N", 4)),
            ("n1/else_branch/e", "n1/else_branch", "Neg", "float32", ("N", 4)),
        ]
        assert all(not tensor.scope for tensor in model.tensors)

    @pytest.mark.parametrize(
        ("probes", "words"), [([], "no probe"), ("nothing", "nearest"), ("op:[", "malformed")]
    )
    def test_nonsense_is_refused(self, probes: Any, words: str, save: Save) -> None:
        with pytest.raises(SelectorError, match=words):
            onnx_ood.instrument(save(small_models.with_if()), probes=probes)

    def test_tensors_inside_other_operators_are_refused(self, save: Save) -> None:
        model = small_models.build(
            """
            g (seq(float[N]) s) => (seq(float[N]) y) {
                y = SequenceMap (s) <body = b (float[N] e) => (float[N] r) { r = Neg (e) }>
            }
            """
        )
        with pytest.raises(SelectorError, match="is inside an operator SequenceMap"):
            onnx_ood.instrument(save(model), probes="n0/body/r")


class TestPruning:
    def test_removes_what_no_probe_needs(self, save: Save) -> None:
        model = small_models.classifier()
        result = onnx_ood.instrument(save(model), probes="relu1", keep_outputs=False, prune=True)
        graph = result.model.graph
        assert [node.op_type for node in graph.node] == ["Conv", "Relu"]
        assert [tensor.name for tensor in graph.initializer] == ["w1", "b1"]
        assert [value.name for value in graph.input] == ["image"]
        assert [value.name for value in graph.output] == ["relu1"]
        feeds = {"image": small_models.images(2)}
        whole = onnx_ood.instrument(save(model), probes="relu1")
        np.testing.assert_array_equal(run(result.model, feeds)["relu1"], run(whole.model, feeds)["relu1"])

    def test_keeps_what_subgraphs_read_and_unused_inputs(self, save: Save) -> None:
        result = onnx_ood.instrument(
            save(small_models.with_if()), probes="n1/then_branch/t", keep_outputs=False, prune=True
        )
        assert [node.op_type for node in result.model.graph.node] == ["Gemm", "If"]
        only_h = onnx_ood.instrument(save(small_models.with_if()), probes="h", keep_outputs=False, prune=True)
        assert [value.name for value in only_h.model.graph.input] == ["x", "switch"]
        onnx.checker.check_model(only_h.model, full_check=True)

    def test_removes_functions_that_nothing_calls(self, save: Save) -> None:
        path = save(with_functions())
        result = onnx_ood.instrument(path, probes="one/Outer/h", keep_outputs=False, prune=True)
        assert [node.op_type for node in result.model.graph.node] == ["LeakyRelu"]
        assert not result.model.functions


class TestSites:
    def nudged(self, model: ModelProto, site: str, nudge: Any, feeds: Mapping[str, Any], save: Save) -> Any:
        """What the model gives with a nudge at one site; without it nothing changes."""
        result = onnx_ood.instrument(save(model), probes=(), sites=site)
        assert list(result.inputs) == [site]
        if passes_the_checker(model):
            onnx.checker.check_model(result.model, full_check=True)
        plain = run(model, feeds)
        assert all(same_bits(value, run(result.model, feeds)[name]) for name, value in plain.items())
        return run(result.model, {**feeds, result.inputs[site]: nudge})["y"]

    @pytest.mark.parametrize("taken", [True, False])
    def test_in_a_branch(self, taken: bool, save: Save) -> None:
        model = small_models.with_if()
        feeds = {"x": X, "switch": np.array(taken)}
        h = run(small_models.marked(model, ["h"]), feeds)["h"]
        nudge = small_models.normal(2, 4, seed=5)
        found = self.nudged(model, "n1/then_branch/t", nudge, feeds, save)
        np.testing.assert_array_equal(found, np.maximum(h, 0) + nudge + h if taken else -h + h)

    def test_in_a_body_in_every_iteration(self, save: Save) -> None:
        model, feeds = small_models.with_loop(), {"x": X}
        h = run(small_models.marked(model, ["h"]), feeds)["h"]
        nudge = small_models.normal(1, 4, seed=5)
        found = self.nudged(model, "n1/body/next", nudge, feeds, save)
        np.testing.assert_allclose(found, np.maximum(X + 3 * (h + nudge), 0), rtol=1e-5, atol=1e-6)

    def test_in_one_call_of_a_function_and_not_the_other(self, save: Save) -> None:
        path, nudge = save(with_functions()), small_models.normal(2, 4, seed=5)
        probes = ["one/Outer/z", "Outer_1/Outer/z"]
        for site, other in (probes, probes[::-1]):
            result = onnx_ood.instrument(path, probes=probes, sites=site)
            plain = run(result.model, {"x": X})
            moved = run(result.model, {"x": X, result.inputs[site]: nudge})
            at, beside = result.outputs[site], result.outputs[other]
            if site == "one/Outer/z":
                np.testing.assert_array_equal(moved[at], plain[at] + nudge)
                assert not np.array_equal(moved[beside], plain[beside])  # It reads what the first call gives.
            else:
                np.testing.assert_array_equal(moved[at], plain[at] + nudge)
                np.testing.assert_array_equal(moved[beside], plain[beside])

    def test_at_an_input_that_branches_capture_and_one_shadows(self, save: Save) -> None:
        model = small_models.build(
            """
            g (float[N] x, bool c) => (float[N] y, float[N] z) {
                y = If (c) <
                    then_branch = t () => (float[N] p) { p = Neg (x) },
                    else_branch = e () => (float[N] q) { q = Abs (x) }
                >
                z = Scan <num_scan_inputs = 1, body = b (float e2) => (float o) { o = Neg (e2) }> (x)
            }
            """
        )
        x = np.array([1, -2, 3], np.float32)
        for taken, want in ((True, -(x + 1)), (False, np.abs(x + 1))):
            feeds = {"x": x, "c": np.array(taken)}
            found = self.nudged(model, "x", np.ones(1, np.float32), feeds, save)
            np.testing.assert_array_equal(found, want)

    @pytest.mark.parametrize("dtype", ["FLOAT16", "FLOAT", "DOUBLE", "BFLOAT16"])
    def test_of_every_dtype_of_floats(self, dtype: str, save: Save) -> None:
        number = TensorProto.DataType.Value(dtype)
        text = f"a = Cast <to = {number}> (x) b = Identity (a) y = Cast <to = 1> (b)"
        model = small_models.build(f"g (float[2] x) => (float[2] y) {{ {text} }}")
        result = onnx_ood.instrument(save(model), probes=(), sites="a")
        onnx.checker.check_model(result.model, full_check=True)
        default = onnx.numpy_helper.to_array(result.model.graph.initializer[0]).astype(np.float32)
        assert default.tobytes() == np.array([-0.0], np.float32).tobytes()
        if dtype != "BFLOAT16":  # Which onnxruntime doesn't add on the CPU.
            x = np.array([-0.0, 1.5], np.float32)
            assert run(result.model, {"x": x})["y"].tobytes() == x.tobytes()

    def test_patterns_mean_floats_that_depend_on_an_input(self, save: Save) -> None:
        result = onnx_ood.instrument(save(small_models.with_if()), probes="h", sites="all")
        assert list(result.inputs) == ["x", "h", "n1/then_branch/t", "n1/else_branch/e", "picked", "y"]
        assert all(name.startswith(PREFIX) for name in result.inputs.values())

    @pytest.mark.parametrize(
        ("site", "words"),
        [
            (
                "switch",
                "holds bool values; nudges need a floating-point tensor; the nearest inner .* is 'h'",
            ),
            ("w", "does not depend on any input"),
            ("nothing", "matches no tensor"),
        ],
    )
    def test_what_can_t_be_nudged_is_refused(self, site: str, words: str, save: Save) -> None:
        with pytest.raises(SelectorError, match=words):
            onnx_ood.instrument(save(small_models.with_if()), probes="h", sites=site)

    def test_arguments_of_a_body_are_watched_but_not_nudged(self, save: Save) -> None:
        model = small_models.with_loop()
        _, values = watched(model, save, {"x": X})
        np.testing.assert_array_equal(stream(values["n1/body/state"])[: X.size], X.ravel())
        np.testing.assert_array_equal(
            stream(values["n1/body/state"])[X.size :], stream(values["n1/body/next"])[: -X.size]
        )
        with pytest.raises(SelectorError, match="is an argument of a loop body"):
            onnx_ood.instrument(save(model), probes=(), sites="n1/body/state")
