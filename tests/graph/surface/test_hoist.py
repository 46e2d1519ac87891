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
