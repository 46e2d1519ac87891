"""Measuring and nudging inside control flow and functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_models
from onnx import ModelProto, TensorProto, helper
from running import everything_computed, stream

import onnx_ood
from onnx_ood import SelectorError, UsageError
from onnx_ood.runtime import Prober

Save = Callable[..., Path]
X = small_models.normal(5, 4, seed=1)
NUDGES = small_models.normal(2, 4, seed=2) * 0.1


def with_branches() -> ModelProto:
    return small_models.build(
        """
        branches (float[N, 4] x, bool c) => (float[N, 4] y) {
            h = MatMul (x, w)
            y = If (c) <
                then_branch = t () => (float[N, 4] p) { r = Relu (h) s = Sin (r) p = Add (s, x) },
                else_branch = e () => (float[N, 4] q) { o = Neg (h) q = Tanh (o) }
            >
        }
        """,
        {"w": small_models.normal(4, 4, seed=3)},
    )


def with_body() -> ModelProto:
    return small_models.build(
        """
        body (float[N, 4] x) => (float[N, 4] y) {
            times = Constant <value = int64 {3}> ()
            yes = Constant <value = bool {1}> ()
            h = MatMul (x, w)
            y = Loop (times, yes, h) <
                body = b (int64 i, bool go, float[N, 4] s) => (bool on, float[N, 4] next) {
                    on = Identity (go)
                    r = Relu (s)
                    next = Add (r, x)
                }
            >
        }
        """,
        {"w": small_models.normal(4, 4, seed=3)},
    )


def with_functions() -> ModelProto:
    inside = [
        helper.make_node("MatMul", ["a", "m"], ["mm"], name="mul"),
        helper.make_node("Relu", ["mm"], ["out"], name="act"),
    ]
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)]
    function = helper.make_function("local", "Layer", ["a", "m"], ["out"], inside, imports)
    nodes = [
        helper.make_node("Layer", ["x", "w"], ["h"], domain="local", name="one"),
        helper.make_node("Layer", ["h", "w"], ["y"], domain="local", name="two"),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 4])],
    )
    graph.initializer.append(
        helper.make_tensor("w", TensorProto.FLOAT, [4, 4], small_models.normal(4, 4, seed=3))
    )
    return helper.make_model(graph, functions=[function], opset_imports=imports, ir_version=8)


def drop(a: np.ndarray, b: np.ndarray) -> float:
    """½‖a/‖a‖ − b/‖b‖‖² in float64."""
    u, v = (w.astype(np.float64) / np.linalg.norm(w.astype(np.float64)) for w in (a.ravel(), b.ravel()))
    return float(((u - v) ** 2).sum() / 2)


def reference_values(
    model: ModelProto, feeds: Mapping[str, Any], nodes: Mapping[str, int]
) -> list[np.ndarray]:
    """What some nodes compute, by name and number of the call, from onnx's own reference."""
    found = everything_computed(model, feeds)
    return [stream(found[name] if call < 0 else found[name][call]) for name, call in nodes.items()]


def name_inner_nodes(model: ModelProto) -> ModelProto:
    for node in model.graph.node:
        for attribute in node.attribute:
            for i, inner in enumerate(attribute.g.node):
                inner.name = f"{attribute.name}{i}"
    return model


@pytest.mark.parametrize("batch_size", [1, 2, None])
@pytest.mark.parametrize(
    ("make", "others", "probes"),
    [
        (
            with_branches,
            {"c": np.array(True)},
            {"n1/then_branch/r": ("then_branch0", 0), "n1/then_branch/s": ("then_branch1", 0)},
        ),
        (with_branches, {"c": np.array(False)}, {"n1/else_branch/o": ("else_branch0", 0)}),
        # All iterations together, stacked.
        (with_body, {}, {"n3/body/r": ("body1", -1), "n3/body/next": ("body2", -1)}),
        (
            with_functions,
            {},
            {"one/Layer/mm": ("mul", 0), "two/Layer/mm": ("mul", 1), "one/Layer/out": ("act", 0)},
        ),
    ],
)
def test_drops_inside_are_those_of_the_reference(
    make: Callable[[], ModelProto],
    others: dict[str, Any],
    probes: dict[str, tuple[str, int]],
    batch_size: int | None,
    save: Save,
) -> None:
    model = name_inner_nodes(make())
    found = onnx_ood.measure(
        save(model),
        X,
        probes=list(probes),
        nudges=NUDGES,
        feeds=others,
        batch_size=batch_size,
        provider="cpu",
    )
    assert set(found.probes) == set(probes)
    for n in range(len(X)):
        for k, nudge in enumerate(NUDGES):
            clean, moved = (everything_computed(model, {"x": x, **others}) for x in (X[[n]], X[[n]] + nudge))
            for p, name in enumerate(found.probes):
                node, call = probes[name]
                a, b = (stream(run[node] if call < 0 else run[node][call]) for run in (clean, moved))
                assert found.size[p] == a.size
                np.testing.assert_allclose(found.cosine_drop()[n, k, p], drop(a, b), rtol=1e-3, atol=1e-9)
                assert found.flips[n, k, p] == ((a > 0) != (b > 0)).sum()


def test_branches_that_are_not_taken_are_left_out_by_name(save: Save) -> None:
    model = onnx_ood.load(save(with_branches()))
    prober = Prober(model, onnx_ood.select(model, "all"), site="x", provider="cpu")
    found = prober.measure(X, NUDGES, {"c": np.array(False)})
    assert found.probes == ("h", "n1/else_branch/o", "n1/else_branch/q", "y")
    assert set(prober.skipped) == {"n1/then_branch/r", "n1/then_branch/s", "n1/then_branch/p"}
    assert "branch not taken" in prober.skipped["n1/then_branch/r"]


def test_only_branches_that_are_not_taken_is_nothing_to_measure(save: Save) -> None:
    with pytest.raises(SelectorError, match=r"none of the selected tensors can be measured.*not taken"):
        onnx_ood.measure(
            save(with_branches()),
            X,
            probes="*/then_branch/*",
            nudges=NUDGES,
            site="x",
            feeds={"c": np.array(False)},
        )


def test_a_loop_of_changing_sizes_can_t_be_measured(save: Save) -> None:
    model = small_models.build(
        """
        growing (float[N, M] x) => (float[N, K] y) {
            times = Constant <value = int64 {3}> ()
            yes = Constant <value = bool {1}> ()
            y = Loop (times, yes, x) <
                body = b (int64 i, bool go, float[N, M] s) => (bool on, float[N, L] next) {
                    on = Identity (go)
                    next = Concat <axis = 1> (s, s)
                }
            >
        }
        """
    )
    with pytest.raises(onnx_ood.ModelError, match="'n2/body/next' changes its shape between iterations"):
        onnx_ood.measure(save(model), X, probes="n2/body/next", nudges=NUDGES, provider="cpu")


class TestSites:
    def test_in_a_branch(self, save: Save) -> None:
        path, others = save(with_branches()), {"c": np.array(True)}
        found = onnx_ood.measure(
            path,
            X,
            probes=["n1/then_branch/s", "y"],
            nudges=NUDGES,
            site="n1/then_branch/r",
            feeds=others,
            provider="cpu",
        )
        # In closed form: s = sin(relu(x w)), y = s + x.
        w = small_models.normal(4, 4, seed=3)
        r = np.maximum(X @ w, 0)
        for k, nudge in enumerate(NUDGES):
            moved = np.sin((r + nudge).astype(np.float64))
            for n in range(len(X)):
                assert found.cosine_drop()[n, k, 0] == pytest.approx(drop(np.sin(r[n]), moved[n]), rel=1e-3)
                assert found.cosine_drop()[n, k, 1] == pytest.approx(
                    drop(np.sin(r[n]) + X[n], moved[n] + X[n]), rel=1e-3
                )
        np.testing.assert_allclose(found.site_aa[:, 0], (r.astype(np.float64) ** 2).sum(1), rtol=1e-5)
        np.testing.assert_allclose(found.site_dd, np.tile((NUDGES**2).sum(1), (5, 1)), rtol=1e-4)

    def test_in_a_function_of_one_call(self, save: Save) -> None:
        path = save(with_functions())
        found = onnx_ood.measure(
            path, X, probes=["h", "y"], nudges=NUDGES, site="one/Layer/mm", provider="cpu"
        )
        w, checked = small_models.normal(4, 4, seed=3), 0
        for k, nudge in enumerate(NUDGES):
            clean, moved = X @ w, X @ w + nudge
            for n in range(len(X)):
                for p, layer in enumerate(
                    (lambda v: np.maximum(v, 0), lambda v: np.maximum(np.maximum(v, 0) @ w, 0))
                ):
                    a, b = layer(clean[[n]]), layer(moved[[n]])
                    if not a.any() or not b.any():
                        continue  # A zero vector has no direction.
                    checked += 1
                    assert found.cosine_drop()[n, k, p] == pytest.approx(drop(a, b), rel=1e-3, abs=1e-9)

        assert checked >= 10

    def test_what_lies_beside_the_site_is_refused(self, save: Save) -> None:
        path = save(with_branches())
        for probe in ("h", "n1/else_branch/q", "n1/then_branch/r"):
            with pytest.raises(SelectorError, match="does not depend on the site"):
                onnx_ood.measure(
                    path,
                    X,
                    probes=probe,
                    nudges=NUDGES,
                    site="n1/then_branch/r",
                    feeds={"c": np.array(True)},
                )

    def test_all_means_what_depends_on_the_site(self, save: Save) -> None:
        model = onnx_ood.load(save(with_branches()))
        site = next(tensor for tensor in model.all_tensors if tensor.name == "n1/then_branch/r")
        assert [t.name for t in onnx_ood.select(model, "all", site)] == [
            "n1/then_branch/s",
            "n1/then_branch/p",
            "y",
        ]

    def test_in_a_loop_are_refused(self, save: Save) -> None:
        with pytest.raises(UsageError, match=r"is in a loop.*choose a tensor that the loop reads"):
            onnx_ood.measure(save(with_body()), X, probes="y", nudges=NUDGES, site="n3/body/r")

    def test_that_hold_sizes_are_refused(self, save: Save) -> None:
        model = small_models.build(
            """
            g (float[N, 4] x) => (float[N, 4] y) {
                size = Shape (x)
                half = Cast <to = 1> (size)
                a = Neg (x)
                same = Cast <to = 7> (half)
                y = Reshape (a, same)
            }
            """
        )
        with pytest.raises(
            UsageError, match=r"'half' holds sizes, not data.*nearest inner floating-point tensor is 'a'"
        ):
            onnx_ood.measure(save(model), X, probes="y", nudges=NUDGES, site="half")
