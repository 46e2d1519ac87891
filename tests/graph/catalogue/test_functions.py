"""Bodies of functions in place of their calls, run by onnx's reference."""

from __future__ import annotations

import numpy as np
import pytest
import small_models
from onnx import AttributeProto, FunctionProto, ModelProto, NodeProto, helper
from onnx.reference import ReferenceEvaluator

from onnx_ood.graph.catalogue.functions import (
    body_of_call,
    called,
    called_key,
    functions_of,
    import_opsets,
    opset_conflict,
)
from onnx_ood.graph.catalogue.names import PREFIX, Names

X = small_models.normal(3, 4)


def reference(name: str, kind: int = AttributeProto.FLOAT) -> AttributeProto:
    return AttributeProto(name=name, ref_attr_name=name, type=kind)


def scaled(version: int = 17) -> FunctionProto:
    """LeakyRelu of a·b with an attribute, and a itself as a second result."""
    leaky = helper.make_node("LeakyRelu", ["product"], ["result"], name="leaky")
    leaky.attribute.append(reference("alpha"))
    nodes = [helper.make_node("Mul", ["a", "b"], ["product"]), leaky]
    return helper.make_function(
        "mine", "Scaled", ["a", "b"], ["result", "a"], nodes,
        [helper.make_opsetid("", version)], attributes=["alpha"],
    )  # fmt: skip


def model_of(nodes: list[NodeProto], functions: list[FunctionProto]) -> ModelProto:
    model = small_models.build("g (float[N, 4] x) => (float[N, 4] y) { y = Neg (x) }", domains=["mine"])
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    model.functions.extend(functions)
    return model


@pytest.mark.parametrize("attributes", [{"alpha": 0.5}, {}])
@pytest.mark.parametrize("results", [["y"], ["y", "z"], ["", "y"]])
def test_the_body_computes_what_the_call_does(attributes: dict[str, float], results: list[str]) -> None:
    call = helper.make_node("Scaled", ["x", "x"], results, domain="mine", **attributes)
    model = model_of([call], [scaled()])
    body, renamed = body_of_call(scaled(), call, "call/Scaled", Names(model))
    expanded = model_of(body, [])
    names = [name for name in results if name]
    found = ReferenceEvaluator(small_models.marked(expanded, names)).run(names, {"x": X})
    product = X.astype(np.float64) ** 2
    # x·x is never negative, and an attribute that is not given has the operator's default.
    expected = {"y": product, "z": X} if results[0] else {"y": X}
    for name, value in zip(names, found, strict=True):
        np.testing.assert_allclose(value, expected[name], rtol=1e-6)
    assert renamed["a"] == renamed["b"] == "x"
    assert renamed["product"] == f"{PREFIX}call/Scaled/product"


def test_attributes_of_the_call_are_bound_and_others_removed() -> None:
    for given, expected in (({"alpha": 0.25}, 0.25), ({}, 0.01)):
        call = helper.make_node("Scaled", ["x", "k"], ["y"], domain="mine", **given)
        body, _ = body_of_call(scaled(), call, "c", Names(model_of([call], [])))
        model = model_of(body, [])
        model.graph.initializer.append(helper.make_tensor("k", 1, [], [-1.0]))
        found = ReferenceEvaluator(model).run(None, {"x": X})[0]
        np.testing.assert_allclose(found, np.where(X <= 0, -X, -expected * X), rtol=1e-5)
        assert [node.name for node in body] == ["", "c/leaky"]


def test_defaults_of_attributes_are_those_of_the_function() -> None:
    function = scaled()
    del function.attribute[:]
    function.attribute_proto.append(helper.make_attribute("alpha", 0.5))
    call = helper.make_node("Scaled", ["x", "x"], ["y"], domain="mine")
    body, _ = body_of_call(function, call, "c", Names(model_of([call], [])))
    assert body[1].attribute[0].f == 0.5
    call.attribute.append(helper.make_attribute("alpha", 0.125))
    body, _ = body_of_call(function, call, "c", Names(model_of([call], [])))
    assert body[1].attribute[0].f == 0.125


def test_a_missing_argument_is_an_empty_name() -> None:
    function = helper.make_function(
        "mine", "Clipped", ["a", "low"], ["r"], [helper.make_node("Clip", ["a", "low"], ["r"])],
        [helper.make_opsetid("", 17)],
    )  # fmt: skip
    call = helper.make_node("Clipped", ["x"], ["y"], domain="mine")
    body, renamed = body_of_call(function, call, "c", Names(model_of([call], [])))
    assert list(body[0].input) == ["x", ""]
    assert renamed == {"a": "x", "low": "", "r": "y"}


def test_names_inside_subgraphs_are_renamed_and_their_attributes_bound() -> None:
    """Two calls in a row: nothing of the first is overwritten by the second."""
    inner = small_models.build(
        """
        f (float[N, 4] a, bool c) => (float[N, 4] r) {
            r = If (c) <
                then_branch = one () => (float[N, 4] t) { k = Mul (a, w) t = LeakyRelu (k) },
                else_branch = two () => (float[N, 4] e) { e = Identity (a) }
            >
        }
        """
    ).graph.node[0]
    then = next(attribute.g for attribute in inner.attribute if attribute.name == "then_branch")
    then.initializer.append(helper.make_tensor("w", 1, [], [-2.0]))
    then.node[1].attribute.append(reference("alpha"))
    function = helper.make_function(
        "mine", "Branched", ["a", "c"], ["r"], [inner], [helper.make_opsetid("", 17)], attributes=["alpha"]
    )
    calls = [
        helper.make_node("Branched", ["x", "yes"], ["h"], domain="mine", alpha=0.5),
        helper.make_node("Branched", ["h", "yes"], ["y"], domain="mine", alpha=0.25),
    ]
    model = model_of(calls, [function])
    names = Names(model)
    nodes = [node for i, call in enumerate(calls) for node in body_of_call(function, call, f"c{i}", names)[0]]
    expanded = model_of(nodes, [])
    expanded.graph.initializer.append(helper.make_tensor("yes", 9, [], [True]))
    found = ReferenceEvaluator(expanded).run(None, {"x": X})[0]

    def leaky(values: np.ndarray, alpha: float) -> np.ndarray:
        return np.where(values < 0, alpha * values, values)

    np.testing.assert_allclose(found, leaky(-2 * leaky(-2 * X, 0.5), 0.25), rtol=1e-6)
    stored = [
        next(a.g for a in node.attribute if a.name == "then_branch").initializer[0].name for node in nodes
    ]
    assert len(set(stored)) == 2


def test_both_spellings_of_the_standard_domain_are_one() -> None:
    function = helper.make_function("ai.onnx", "F", [], [], [], [])
    model = model_of([], [function])
    functions = functions_of(model)
    assert called(helper.make_node("F", [], []), functions) == function
    assert called(helper.make_node("F", [], [], domain="ai.onnx"), functions) == function
    assert called(helper.make_node("F", [], [], domain="mine"), functions) is None
    assert called(helper.make_node("F", [], []), {}) is None
    assert called_key(helper.make_node("F", [], [], domain="ai.onnx")) == ("", "F", "")


@pytest.mark.parametrize(("version", "conflict"), [(17, False), (16, True), (18, True)])
def test_functions_of_another_version_cannot_be_expanded(version: int, conflict: bool) -> None:
    reason = opset_conflict(scaled(version), model_of([], []))
    assert (reason is not None) == conflict
    if reason:
        assert f"written for version {version} of the standard operators while the model has 17" in reason


def test_operator_sets_are_added_once() -> None:
    function = scaled()
    function.opset_import.append(helper.make_opsetid("new", 3))
    model = model_of([], [])
    assert opset_conflict(function, model) is None
    for _ in range(2):
        import_opsets(function, model)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [
        ("", 17),
        ("mine", 1),
        ("new", 3),
    ]
