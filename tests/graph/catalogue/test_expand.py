"""Calls of functions replaced by their bodies, run by onnx's reference."""

from __future__ import annotations

import numpy as np
import onnx
import small_models
from onnx import ModelProto, helper
from onnx.reference import ReferenceEvaluator

from onnx_ood.graph.catalogue.expand import TensorRequest, expand
from onnx_ood.graph.catalogue.names import Names
from onnx_ood.graph.catalogue.paths import CALL, graph_at

X = small_models.normal(3, 4)
# An outer function that calls an inner one twice, and a branch that calls the inner one.
TEXT = """
<ir_version: 8, opset_import: ["" : 17, "mine" : 1]>
net (float[N, 4] x, bool c) => (float[N, 4] y) {
    first = Neg (x)
    [call] h = mine.Outer (first)
    [branch] y = If (c) <
        then_branch = one () => (float[N, 4] t) { [deep] t = mine.Inner (h) },
        else_branch = two () => (float[N, 4] e) { e = Identity (h) }
    >
}
<domain: "mine", opset_import: ["" : 17]>
Inner (a) => (r) { m = Exp (a) r = Add (m, a) }
<domain: "mine", opset_import: ["" : 17, "mine" : 1]>
Outer (a) => (r) { [one] s = mine.Inner (a) [two] q = mine.Inner (s) r = Neg (q) }
"""


def model() -> ModelProto:
    return onnx.parser.parse_model(TEXT)


def inner(values: np.ndarray) -> np.ndarray:
    return np.exp(values) + values


def test_requested_tensors_are_in_the_graph_with_the_values_of_their_calls() -> None:
    request = TensorRequest()
    request.add("call/Outer/one/Inner/m", ((1, CALL), (0, CALL)), "m")
    request.add("call/Outer/two/Inner/m", ((1, CALL), (1, CALL)), "m")
    request.add("call/Outer/q", ((1, CALL),), "q")
    request.add("again", ((1, CALL),), "q")
    request.add("first", (), "first")
    changed = model()
    found = {path: (steps, name) for path, steps, name in expand(changed, request, Names(changed))}
    assert set(found) == {
        "call/Outer/one/Inner/m",
        "call/Outer/two/Inner/m",
        "call/Outer/q",
        "again",
        "first",
    }
    assert all(steps == () for steps, _ in found.values())
    assert "Outer" not in {node.op_type for node in changed.graph.node}
    x = X.astype(np.float64)
    expected = {
        "call/Outer/one/Inner/m": np.exp(-x),
        "call/Outer/two/Inner/m": np.exp(inner(-x)),
        "call/Outer/q": inner(inner(-x)),
        "again": inner(inner(-x)),
        "first": -x,
    }
    names = [name for _, name in found.values()]
    values = ReferenceEvaluator(small_models.marked(changed, names)).run(names, {"x": X, "c": np.array(True)})
    for path, value in zip(found, values, strict=True):
        np.testing.assert_allclose(value, expected[path], rtol=1e-4, err_msg=path)
    before, after = (
        ReferenceEvaluator(one).run(["y"], {"x": X, "c": np.array(True)})[0] for one in (model(), changed)
    )
    np.testing.assert_allclose(after, before, rtol=1e-6)


def test_calls_inside_branches_are_replaced_there() -> None:
    request = TensorRequest()
    request.add("branch/then_branch/deep/Inner/m", ((2, "then_branch"), (0, CALL)), "m")
    request.add("call/Outer/s", ((1, CALL),), "s")
    changed = model()
    found = {path: (steps, name) for path, steps, name in expand(changed, request, Names(changed))}
    steps, name = found["branch/then_branch/deep/Inner/m"]
    assert [attribute for _, attribute in steps] == ["then_branch"]
    # The If has moved behind the body of the call before it.
    assert changed.graph.node[steps[0][0]].op_type == "If"
    nodes = graph_at(changed.graph, steps).node
    assert [node.op_type for node in nodes] == ["Exp", "Add"]
    assert list(nodes[0].output) == [name]
    for taken in (True, False):
        feeds = {"x": X, "c": np.array(taken)}
        before, after = (ReferenceEvaluator(one).run(["y"], feeds)[0] for one in (model(), changed))
        np.testing.assert_allclose(after, before, rtol=1e-6)


def test_branches_of_a_function_move_with_its_body() -> None:
    branches = {
        f"{name}_branch": helper.make_graph(
            [helper.make_node(op, ["a"], [name[0]])], name, [], [onnx.ValueInfoProto(name=name[0])]
        )
        for name, op in (("then", "Exp"), ("else", "Neg"))
    }
    branch = helper.make_node("If", ["c"], ["r"], name="pick", **branches)
    function = helper.make_function(
        "mine", "Pick", ["a", "c"], ["r"], [helper.make_node("Abs", ["a"], ["unused"]), branch],
        [helper.make_opsetid("", 17)],
    )  # fmt: skip
    changed = small_models.build(
        "g (float[N, 4] x, bool c) => (float[N, 4] y) { h = Neg (x) y = mine.Pick (h, c) }", domains=["mine"]
    )
    changed.functions.append(function)
    request = TensorRequest()
    request.add("n1/Pick/pick/then_branch/t", ((1, CALL), (1, "then_branch")), "t")
    [(path, steps, name)] = expand(changed, request, Names(changed))
    assert path == "n1/Pick/pick/then_branch/t"
    assert steps == ((2, "then_branch"),)
    assert list(graph_at(changed.graph, steps).node[0].output) == [name]
    found = ReferenceEvaluator(changed).run(None, {"x": X, "c": np.array(True)})[0]
    np.testing.assert_allclose(found, np.exp(-X), rtol=1e-6)


def test_without_requests_inside_functions_nothing_changes() -> None:
    request = TensorRequest()
    request.add("branch/then_branch/t", ((2, "then_branch"),), "t")
    request.add("h", (), "h")
    changed = model()
    assert sorted(expand(changed, request, Names(changed))) == sorted(request)
    assert changed == model()


def test_operator_sets_of_functions_come_along() -> None:
    changed = small_models.build("g (float[N] x) => (float[N] y) { y = mine.F (x) }", domains=["mine"])
    changed.functions.append(
        helper.make_function(
            "mine", "F", ["a"], ["r"], [helper.make_node("Neg", ["a"], ["r"])],
            [helper.make_opsetid("", 17), helper.make_opsetid("other", 2)],
        )
    )  # fmt: skip
    request = TensorRequest()
    request.add("n0/F/r", ((0, CALL),), "r")
    assert list(expand(changed, request, Names(changed))) == [("n0/F/r", (), "y")]
    assert ("other", 2) in {(entry.domain, entry.version) for entry in changed.opset_import}
