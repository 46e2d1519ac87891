"""Tensors passed out of control flow, against values computed by numpy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import small_models
from onnx import ModelProto
from running import run

import onnx_ood
from onnx_ood.graph import rewrite

Save = Callable[..., Path]
X = small_models.normal(2, 4, seed=3)


def looping(changing: bool) -> ModelProto:
    """A Loop that runs `times` iterations; in each, the state grows by one column, or by 1."""
    step = "Concat <axis = 1> (s, x)" if changing else "Add (s, x)"
    size = "N, M" if changing else "2, 4"
    return small_models.build(
        f"""
        looping (float[{size}] x, int64 times) => (y) {{
            yes = Constant <value = bool {{1}}> ()
            y = Loop (times, yes, x) <
                body = b (int64 i, bool go, float[{size}] s) => (bool on, next) {{
                    on = Identity (go)
                    next = {step}
                }}
            >
        }}
        """
    )


@pytest.mark.parametrize("changing", [False, True])
@pytest.mark.parametrize("times", [0, 1, 3])
def test_a_loop_returns_one_tensor_per_iteration_none_for_zero(
    changing: bool, times: int, save: Save
) -> None:
    rewritten = rewrite(onnx_ood.load(save(looping(changing))), ["n1/body/next"])
    values = run(rewritten.proto, {"x": X, "times": np.array(times)})
    found = values[rewritten.outputs["n1/body/next"]]
    expected = [np.tile(X, (1, i + 2)) if changing else (i + 2) * X for i in range(times)]
    assert isinstance(found, list) == changing
    assert len(found) == times
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)
    np.testing.assert_allclose(values["y"], expected[-1] if expected else X, rtol=1e-6)
    if not changing:
        assert found.shape == (times, 2, 4)


@pytest.mark.parametrize("opset", [11, 17])  # Stacked, and in a sequence.
def test_a_probe_in_a_loop_of_zero_iterations_is_left_out_by_name(opset: int, save: Save) -> None:
    model = small_models.build(
        """
        looping (float[N, 4] x, int64 times) => (float[N, 4] y) {
            yes = Constant <value = bool {1}> ()
            last = Loop (times, yes, x) <
                body = b (int64 i, bool go, float[N, 4] s) => (bool on, float[N, 4] next) {
                    on = Identity (go)
                    next = Add (s, x)
                }
            >
            y = Relu (last)
        }
        """,
        opset=opset,
    )
    loaded = onnx_ood.load(save(model))
    prober = onnx_ood.Prober(loaded, onnx_ood.select(loaded, "all"), site="x", provider="cpu")
    nudge = small_models.normal(1, 4, seed=4, scale=0.1)
    found = prober.measure(X, nudge, {"times": np.array(0)})
    assert found.probes == ("last", "y")
    assert set(prober.skipped) == {"n1/body/s", "n1/body/next"}
    assert all("loop" in reason for reason in prober.skipped.values())
    # Without an iteration the Loop returns x, so differences at its result are the nudge.
    np.testing.assert_allclose(found.dd[:, 0, 0], (nudge[0].astype(np.float64) ** 2).sum(), rtol=1e-5)


# A Loop whose body has an If, in one branch of which there is another Loop; the state counts the iterations.
DEEP = """
deep (float[N, 4] x, int64 times) => (float[N, 4] y) {
    yes = Constant <value = bool {1}> ()
    three = Constant <value = int64 {3}> ()
    two = Constant <value = int64 {2}> ()
    none = Constant <value = int64 {0}> ()
    y = Loop (times, yes, x) <
        body = b (int64 i, bool go, float[N, 4] s) => (bool on, float[N, 4] next) {
            on = Identity (go)
            rest = Mod (i, two)
            even = Equal (rest, none)
            f = Cast <to = 1> (i)
            next = If (even) <
                then_branch = t () => (float[N, 4] p) { u = Add (s, f) p = Neg (u) },
                else_branch = e () => (float[N, 4] q) {
                    q = Loop (i, yes, s) <
                        body = inner (int64 j, bool more, float[N, 4] r) => (bool on2, float[N, 4] after) {
                            on2 = Identity (more)
                            after = Add (r, x)
                        }
                    >
                }
            >
        }
    >
}
"""


@pytest.mark.parametrize("times", [0, 1, 2, 5])
def test_tensors_of_branches_and_loops_in_a_loop_follow_each_other(times: int, save: Save) -> None:
    """Those of a branch not taken have no values for that iteration."""
    then, deep = [], []
    state = X
    for i in range(times):
        if i % 2 == 0:
            then.append(state + np.float32(i))
            state = -then[-1]
        else:
            for _ in range(i):
                state = state + X
                deep.append(state)
    model = onnx_ood.load(save(small_models.build(DEEP)))
    names = [one.name for one in model.nested_tensors if one.name.endswith(("/u", "/after", "/f"))]
    assert len(names) == 3
    rewritten = rewrite(model, names)
    values = run(rewritten.proto, {"x": X, "times": np.array(times)})
    np.testing.assert_array_equal(values["y"], state)
    found = {name.rpartition("/")[2]: values[rewritten.outputs[name]] for name in names}
    np.testing.assert_array_equal(np.ravel(found["f"]), np.arange(times))
    for name, expected in (("u", then), ("after", deep)):
        # An iteration without the branch may give an empty tensor.
        given = [value for value in found[name] if np.size(value)]
        assert len(given) == len(expected)
        for one, other in zip(given, expected, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("taken", [True, False])
def test_the_branch_not_taken_gives_an_empty_tensor(taken: bool, save: Save) -> None:
    model = small_models.build(
        """
        net (float[N, 4] x, bool c) => (float[N, 4] y) {
            y = If (c) <
                then_branch = t () => (float[N, 4] p) { u = Neg (x) p = Exp (u) },
                else_branch = e () => (float[N, 4] q) { v = Abs (x) q = Exp (v) }
            >
        }
        """
    )
    names = ["n0/then_branch/u", "n0/else_branch/v", "n0/else_branch/q"]
    rewritten = rewrite(onnx_ood.load(save(model)), names)
    values = run(rewritten.proto, {"x": X, "c": np.array(taken)})
    u, v, q = (values[rewritten.outputs[name]] for name in names)
    assert u.size == (X.size if taken else 0)
    assert v.size == q.size == (0 if taken else X.size)
    np.testing.assert_array_equal(u if taken else v, -X if taken else np.abs(X))
    np.testing.assert_allclose(values["y"], np.exp(-X if taken else np.abs(X)), rtol=1e-6)


@pytest.mark.parametrize("axis", [0, 1])
def test_a_scan_stacks_one_tensor_per_step_whatever_its_own_results_do(axis: int, save: Save) -> None:
    model = small_models.build(
        f"""
        net (float[3, 4] x) => (float[4] last, ys) {{
            start = Constant <value = float[4] {{0.0, 0.0, 0.0, 0.0}}> ()
            last, ys = Scan <num_scan_inputs = 1, scan_output_axes = [{axis}], scan_output_directions = [1],
                body = b (float[4] sum, float[4] row) => (float[4] total, float[4] out) {{
                    total = Add (sum, row)
                    half = Exp (total)
                    out = Neg (half)
                }}
            > (start, x)
        }}
        """
    )
    x = small_models.normal(3, 4)
    rewritten = rewrite(onnx_ood.load(save(model)), ["n1/body/half"])
    values = run(rewritten.proto, {"x": x})
    np.testing.assert_allclose(
        values[rewritten.outputs["n1/body/half"]], np.exp(np.cumsum(x, axis=0)), rtol=1e-5
    )
    expected = -np.exp(np.cumsum(x, axis=0))[::-1]
    np.testing.assert_allclose(values["ys"], expected if axis == 0 else expected.T, rtol=1e-5)
