"""Labels of nodes and steps into subgraphs."""

from __future__ import annotations

import pytest
import small_models
from onnx import helper

from onnx_ood.graph.catalogue.paths import graph_at, node_labels


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (["a", "b", "c"], ["a", "b", "c"]),
        (["", "b", ""], ["Op_0", "b", "Op_2"]),
        (["a", "a", "a"], ["a", "Op_1", "Op_2"]),
        # A node has the name that another would get.
        (["", "Op_0", "Op_0_"], ["Op_0__", "Op_0", "Op_0_"]),
        (["Op_2", "x", ""], ["Op_2", "x", "Op_2_"]),
    ],
)
def test_labels_are_unique_and_names_where_those_are(names: list[str], labels: list[str]) -> None:
    found = node_labels([helper.make_node("Op", [], [], name=name) for name in names])
    assert found == labels
    assert len(set(found)) == len(found)


def test_steps_lead_into_branches_of_branches() -> None:
    model = small_models.build(
        """
        g (float[N] x, bool c) => (float[N] y) {
            h = Relu (x)
            y = If (c) <
                then_branch = outer () => (float[N] t) {
                    t = If (c) <
                        then_branch = deep () => (float[N] d) { d = Neg (h) },
                        else_branch = other () => (float[N] o) { o = Abs (h) }
                    >
                },
                else_branch = flat () => (float[N] e) { e = Exp (h) }
            >
        }
        """
    )
    assert graph_at(model.graph, []).name == "g"
    assert graph_at(model.graph, [(1, "else_branch")]).name == "flat"
    assert graph_at(model.graph, [(1, "then_branch"), (0, "else_branch")]).name == "other"
    # The graph itself: what is changed is the model.
    graph_at(model.graph, [(1, "then_branch"), (0, "then_branch")]).node[0].op_type = "Sin"
    assert model.graph.node[1].attribute[0].g.node[0].attribute[0].g.node[0].op_type == "Sin"
