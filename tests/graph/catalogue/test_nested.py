"""Nested tensors against models whose nesting is known, and dependence against nudges that reach a tensor or do not."""

from __future__ import annotations

import onnx
import pytest
import small_models
from onnx import ModelProto, helper

from onnx_ood.exceptions import ModelError
from onnx_ood.graph.catalogue import nested
from onnx_ood.graph.catalogue.nested import NestedTensor, find_nested_tensors, reached_from

TEXT = """
<ir_version: 8, opset_import: ["" : 17, "mine" : 1]>
net (float[N, 4] x, float[N, 4] z, bool c, int64 n) => (float[N, 4] y, float[N, 4] q, float[N, 4] s) {
    one = Constant <value = float[1] {1.0}> ()
    [pick] y = If (c) <
        then_branch = then_g () => (float[N, 4] t) { u = Relu (x) t = Neg (u) },
        else_branch = else_g () => (float[N, 4] e) { k = Neg (one) e = Mul (z, k) }
    >
    [loop] q = Loop (n, c, z) <
        body = b (int64 i, bool go, float[N, 4] state) => (bool on, float[N, 4] next) {
            on = Identity (go)
            next = Add (state, one)
        }
    >
    [call] s = mine.Outer (x)
}
<domain: "mine", opset_import: ["" : 17]> Inner (a) => (r) { m = Exp (a) r = Neg (m) }
<domain: "mine", opset_import: ["" : 17, "mine" : 1]> Outer (a) => (r) { [first] h = mine.Inner (a) [second] r = mine.Inner (h) }
"""  # noqa: E501


def model() -> ModelProto:
    return onnx.parser.parse_model(TEXT)


def found(made: ModelProto) -> dict[str, NestedTensor]:
    return {tensor.path: tensor for tensor in find_nested_tensors(made, {}).tensors}


def test_every_tensor_inside_is_listed_in_execution_order() -> None:
    assert list(found(model())) == [
        "pick/then_branch/u",
        "pick/then_branch/t",
        "pick/else_branch/k",
        "pick/else_branch/e",
        "loop/body/i",
        "loop/body/go",
        "loop/body/state",
        "loop/body/on",
        "loop/body/next",
        "call/Outer/h",
        "call/Outer/first/Inner/m",
        "call/Outer/first/Inner/r",
        "call/Outer/r",
        "call/Outer/second/Inner/m",
        "call/Outer/second/Inner/r",
    ]


def test_where_they_are_and_what_computes_them() -> None:
    tensors = found(model())
    inside = tensors["pick/then_branch/u"]
    assert (inside.scope, inside.steps, inside.local) == ("pick/then_branch", ((1, "then_branch"),), "u")
    assert (inside.around, inside.node.op_type, inside.activation) == (("If",), "Relu", True)
    assert not tensors["pick/then_branch/t"].activation
    assert {path for path, tensor in tensors.items() if tensor.argument} == {
        "loop/body/i",
        "loop/body/go",
        "loop/body/state",
    }
    deep = tensors["call/Outer/second/Inner/m"]
    assert (deep.around, deep.steps, deep.node.op_type) == ((), ((3, ""), (1, "")), "Exp")
    assert all(tensor.refusal is None for tensor in tensors.values())


def test_types_are_inferred_inside_too() -> None:
    tensors = found(model())
    kinds = {path: tensors[path].type.tensor_type.elem_type for path in tensors}
    assert set(kinds.values()) == {onnx.TensorProto.FLOAT, onnx.TensorProto.BOOL, onnx.TensorProto.INT64}
    assert kinds["call/Outer/second/Inner/m"] == onnx.TensorProto.FLOAT
    assert kinds["loop/body/on"] == onnx.TensorProto.BOOL


def test_what_depends_on_no_input_is_constant() -> None:
    constant = {path for path, tensor in found(model()).items() if tensor.constant}
    assert constant == {"pick/else_branch/k"}


@pytest.mark.parametrize(
    ("source", "reached"),
    [
        (
            "x",
            {"y", "s", "pick/then_branch/u", "pick/then_branch/t", "call/Outer/h", "call/Outer/first/Inner/m",
             "call/Outer/first/Inner/r", "call/Outer/r", "call/Outer/second/Inner/m", "call/Outer/second/Inner/r"},
        ),
        # A state of a body may carry it to all tensors of the next iteration.
        ("z", {"y", "q", "pick/else_branch/e", *(f"loop/body/{name}" for name in ("i", "go", "state", "on", "next"))}),
        ("pick/then_branch/u", {"pick/then_branch/t", "y"}),
        ("call/Outer/first/Inner/m", {"call/Outer/first/Inner/r", "call/Outer/h", "call/Outer/r",
                                      "call/Outer/second/Inner/m", "call/Outer/second/Inner/r", "s"}),
        ("s", set()),
    ],
)  # fmt: skip
def test_dependence_follows_reads_at_any_depth(source: str, reached: set[str]) -> None:
    found = reached_from(model(), source)
    assert source not in found
    if source.startswith("call/Outer/first"):
        # Calls are opaque for sources inside: all that they return may depend on it.
        assert {"s", "call/Outer/first/Inner/r", "call/Outer/h"} <= found
        assert not {"y", "q", "pick/then_branch/u"} & found
    else:
        assert found == reached


def test_paths_are_numbered_where_a_name_looks_like_one() -> None:
    made = model()
    made.graph.node[0].output[0] = "pick/then_branch/u"
    for node in made.graph.node[1].attribute[1].g.node:
        node.input[:] = ["pick/then_branch/u" if name == "one" else name for name in node.input]
    for node in made.graph.node[2].attribute[0].g.node:
        node.input[:] = ["pick/then_branch/u" if name == "one" else name for name in node.input]
    tensors = found(made)
    assert tensors["pick/then_branch/u#2"].local == "u"
    assert "pick/then_branch/u" not in tensors


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda node: setattr(node, "op_type", "Repeat"),
            "operator Repeat, which cannot be given further outputs",
        ),
        (lambda node: setattr(node, "domain", "mine"), "operator If, which cannot be given further outputs"),
        (lambda node: node.attribute.pop(), "is inside a damaged If"),
    ],
)
def test_what_cannot_be_hoisted_has_a_reason(change, words: str) -> None:
    made = model()
    change(made.graph.node[1])
    inside = [one for path, one in found(made).items() if path.startswith("pick/then_branch")]
    assert len(inside) == 2
    assert all(words in str(one.refusal) for one in inside)
    assert found(made)["loop/body/next"].refusal is None


def test_a_loop_without_its_inputs_is_damaged() -> None:
    made = model()
    del made.graph.node[2].input[1:]
    assert "is inside a damaged Loop" in str(found(made)["loop/body/next"].refusal)


def test_functions_of_another_version_are_refused_inside() -> None:
    made = model()
    made.functions[0].opset_import[0].version = 16
    tensors = found(made)
    assert "written for version 16" in str(tensors["call/Outer/first/Inner/m"].refusal)
    assert tensors["call/Outer/h"].refusal is None


def test_a_function_that_calls_itself_is_refused() -> None:
    made = model()
    made.functions[0].node.append(helper.make_node("Outer", ["a"], ["again"], domain="mine"))
    with pytest.raises(ModelError, match="function 'Outer' calls itself"):
        found(made)


@pytest.mark.parametrize(("limit", "refused"), [(14, True), (15, False)])
def test_too_many_tensors_are_refused(limit: int, refused: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onnx_ood.graph.catalogue.nested._MAX_TENSORS", limit)
    if refused:
        with pytest.raises(ModelError, match=f"more than {limit} tensors"):
            found(model())
    else:
        assert len(found(model())) == 15


def test_without_nesting_there_is_nothing() -> None:
    plain = small_models.classifier()
    assert find_nested_tensors(plain, {"a": onnx.TypeProto()}).tensors == ()
    assert set(find_nested_tensors(plain, {"a": onnx.TypeProto()}).types) == {"a"}


def test_types_of_a_branch_are_collected_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A branch of thousands of nodes is read once, not for each of its tensors."""
    chain = " ".join(f"a{k} = Neg ({f'a{k - 1}' if k else 'x'})" for k in range(60))
    model = small_models.build(
        f"""g (float[N, 4] x, bool c) => (float[N, 4] y) {{
            y = If (c) <then_branch = t () => (float[N, 4] v) {{ {chain} v = Neg (a59) }},
                        else_branch = e () => (float[N, 4] v) {{ v = Neg (x) }}>
        }}"""
    )
    calls = []
    real = nested.types_in
    monkeypatch.setattr(nested, "types_in", lambda graph: calls.append(graph) or real(graph))
    found = nested.find_nested_tensors(model, {})
    assert len(found.tensors) == 62
    assert {tensor.type is not None for tensor in found.tensors} == {True}
    assert len(calls) <= 3
