"""Fresh names against the names that a model was built with."""

from __future__ import annotations

import small_models
from onnx import TensorProto, helper

from onnx_ood.graph.catalogue.names import PREFIX, Names, defined_names
from onnx_ood.graph.catalogue.nodes import subgraph

TEXT = """
g (float[N, 4] x, bool c) => (float[N, 4] y) {
    h = Relu (x)
    y = If (c) <
        then_branch = then_g () => (float[N, 4] t) { u = Neg (h) t = Add (u, u) },
        else_branch = else_g () => (float[N, 4] e) { e = Mul (h, w) }
    >
}
"""


def test_fresh_names_are_numbered_where_they_are_taken() -> None:
    names = Names(small_models.build(TEXT, {"w": small_models.normal(4)}))
    assert [names.fresh("a") for _ in range(3)] == [PREFIX + "a", PREFIX + "a~2", PREFIX + "a~3"]


def test_no_name_at_any_depth_is_given_again() -> None:
    function = helper.make_function(
        "mine", "F", [f"{PREFIX}argument"], [f"{PREFIX}result"],
        [helper.make_node("Neg", [f"{PREFIX}argument"], [f"{PREFIX}result"])], [helper.make_opsetid("", 17)],
    )  # fmt: skip
    model = small_models.build(TEXT, {"w": small_models.normal(4)})
    outer = model.graph.node[1]
    subgraph(outer, "then_branch").node[0].output[0] = f"{PREFIX}deep"
    subgraph(outer, "else_branch").node[0].input[1] = f"{PREFIX}read"
    model.graph.value_info.append(helper.make_tensor_value_info(f"{PREFIX}info", TensorProto.FLOAT, [4]))
    model.graph.initializer.append(helper.make_tensor(f"{PREFIX}stored", TensorProto.FLOAT, [1], [1.0]))
    sparse = model.graph.sparse_initializer.add()
    sparse.values.name = f"{PREFIX}sparse"
    model.graph.output[0].name = f"{PREFIX}output"
    model.graph.input[0].name = f"{PREFIX}input"
    model.functions.append(function)
    names = Names(model)
    taken = ("deep", "read", "info", "stored", "sparse", "output", "input", "argument", "result")
    assert [names.fresh(name) for name in taken] == [f"{PREFIX}{name}~2" for name in taken]


def test_defined_names_are_results_arguments_and_stored_values_but_not_reads() -> None:
    model = small_models.build(
        """
        g (float[N, 4] x, int64 n) => (float[N, 4] y) {
            yes = Constant <value = bool {1}> ()
            y = Loop (n, yes, x) <
                body = b (int64 i, bool go, float[N, 4] s) => (bool on, float[N, 4] next) {
                    on = Identity (go)
                    next = Add (s, k)
                }
            >
        }
        """
    )
    body = subgraph(model.graph.node[1], "body")
    body.initializer.append(helper.make_tensor("k", TensorProto.FLOAT, [1], [1.0]))
    model.graph.node[0].output.append("")
    found = list(defined_names(model.graph.node))
    assert sorted(found) == ["go", "i", "k", "next", "on", "s", "y", "yes"]
