"""Tensors that can be nudged, and reasons against others."""

from __future__ import annotations

import re

import numpy as np
import onnx
import onnxruntime
import pytest
import small_models
from onnx.reference import ReferenceEvaluator

import onnx_ood
from onnx_ood.graph import nudgeable, why_not_nudged
from onnx_ood.graph.sites import Rounding, find_rounding, holds_input, nearest_floats, why_no_nudge_input

TEXT = """net (float[N, 4] x, int64[N] ids, bool go) => (float[N, 4] y, int64[2] n) {
    c = Constant <value = float[1] {2.0}> ()
    twice = Add (c, c)
    whole = Cast <to = 7> (x)
    n = Shape (x)
    half = Cast <to = 1> (n)
    h = Mul (x, twice)
    s = Mul (h, half0)
    y = If (go) <
        then_branch = one () => (float[N, 4] t) { t = Neg (s) },
        else_branch = two () => (float[N, 4] e) { e = Identity (s) }
    >
}"""


@pytest.fixture
def model(save) -> onnx_ood.Model:
    return onnx_ood.load(save(small_models.build(TEXT, {"half0": small_models.normal(4)})))


def test_floats_that_depend_on_an_input_can_be_nudged(model: onnx_ood.Model) -> None:
    names = [tensor.name for tensor in nudgeable(model)]
    assert names == ["x", "h", "s", "n7/then_branch/t", "n7/else_branch/e", "y"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("twice", "does not depend on any input"),
        ("ids", "holds int64 values; .*; the nearest inner floating-point tensor is 'h'"),
        ("whole", "holds int64 values; .*; the nearest inner floating-point tensor is 'h'"),
        ("go", "holds bool values"),
        ("half", "holds sizes, not data; .*; the nearest inner floating-point tensor is 'h'"),
    ],
)
def test_others_have_a_reason(model: onnx_ood.Model, name: str, words: str) -> None:
    reason = why_not_nudged(model, model.by_name[name])
    assert reason is not None
    assert re.search(words, reason)


def test_the_nearest_tensor_is_the_next_one_inside(model: onnx_ood.Model) -> None:
    """Neither an input nor a constant nor a size."""
    named = {tensor.name: tensor for tensor in model.all_tensors}
    assert nearest_floats(model) == "; the nearest inner floating-point tensor is 'h'"
    assert nearest_floats(model, named["h"]) == "; the nearest inner floating-point tensor is 's'"
    assert (
        nearest_floats(model, named["s"]) == "; the nearest inner floating-point tensor is 'n7/then_branch/t'"
    )
    assert nearest_floats(model, named["y"]) == ""


@pytest.mark.parametrize(("opset", "refused"), [(6, True), (7, False)])
def test_old_operators_cannot_be_nudged_in_a_file(opset: int, refused: bool, save) -> None:
    """Add broadcasts as numpy does from version 7 on."""
    model = onnx_ood.load(
        save(small_models.build("g (float[N] x) => (float[N] y) { y = Relu (x) }", opset=opset))
    )
    assert nudgeable(model)  # in runs, which feed the nudged values
    assert bool(why_no_nudge_input(model)) is refused


def test_arguments_of_a_body_cannot_be_nudged(save) -> None:
    model = onnx_ood.load(save(small_models.with_loop()))
    tensor = next(one for one in model.all_tensors if one.name == "n1/body/state")
    assert "is an argument of a loop body" in str(why_not_nudged(model, tensor))


def test_a_cast_input_holds_the_input_and_nothing_else_does(save) -> None:
    text = """net (uint8[N, 4] x) => (float[N, 4] y) {
        i = Identity (x)
        f = Cast <to = 1> (i)
        t = Neg (f)
        y = Cast <to = 1> (t)
    }"""
    model = onnx_ood.load(save(small_models.build(text)))
    held = {name for name in ("x", "i", "f", "t", "y") if holds_input(model, model.by_name[name])}
    assert held == {"x", "i", "f"}


@pytest.mark.parametrize(
    ("body", "step"),
    [
        ("q = QuantizeLinear (x, s, z) y = DequantizeLinear (q, s, z)", 0.25),
        ("t = Transpose (x) q = QuantizeLinear (t, s, z) y = DequantizeLinear (q, s, z)", 0.25),
        (
            "q = QuantizeLinear (x, s, z) r = QuantizeLinear (x, u, z) a = DequantizeLinear (q, s, z) "
            "b = DequantizeLinear (r, u, z) y = Add (a, b)",
            0.5,
        ),
        ("q = QuantizeLinear (x, s, z) d = DequantizeLinear (q, s, z) y = Add (d, x)", None),
        ("y = Relu (x)", None),
    ],
)
def test_the_step_of_a_rounded_tensor_is_that_of_all_its_readers(body, step, save) -> None:
    weights = {"s": np.float32(0.25), "u": np.float32(0.5), "z": np.uint8(128)}
    model = onnx_ood.load(save(small_models.build(f"net (float[N, 4] x) => (y) {{ {body} }}", weights)))
    assert find_rounding(model, model.by_name["x"]) == (None if step is None else Rounding(step))


def test_a_step_that_follows_the_values_is_that_of_the_reference(save) -> None:
    """onnx's reference gives the scale that it rounds each input by."""
    text = """net (float[1, 4] x) => (float[1, 4] y) {
        q, s, z = DynamicQuantizeLinear (x) y = DequantizeLinear (q, s, z) }"""
    proto = small_models.build(text, opset=21)
    model = onnx_ood.load(save(proto))
    rounding = find_rounding(model, model.by_name["x"])
    assert rounding == Rounding(None)
    rows = small_models.normal(8, 4, seed=2) + np.arange(-4, 4, dtype=np.float32)[:, np.newaxis]
    reference = ReferenceEvaluator(small_models.marked(proto, ["s"]))
    scales = [float(reference.run(["s"], {"x": row[np.newaxis]})[0]) for row in rows]
    np.testing.assert_allclose(rounding.steps(rows), scales, rtol=1e-6)
    np.testing.assert_array_equal(Rounding(0.5).steps(rows), np.full(8, 0.5))


def test_inputs_of_files_without_standard_operators_can_be_nudged_in_runs_and_in_files(save) -> None:
    """r13: only `ai.onnx.ml` is imported."""
    text = """
        <ir_version: 8, opset_import: ["ai.onnx.ml" : 3]>
        g (float[N, 4] x) => (float[N, 1] y) {
            y = ai.onnx.ml.LinearRegressor <coefficients = [0.5, 1.0, 2.0, 4.0], intercepts = [1.0], targets = 1> (x)
        }
    """
    path = save(onnx.parser.parse_model(text))
    batch = np.ones((2, 4), np.float32)
    nudges = np.full((1, 4), 0.5, np.float32)
    measured = onnx_ood.measure(path, batch, probes="y", nudges=nudges, provider="cpu")
    # 7.5 + 1, and 11.25 + 1 with every coordinate at 1.5.
    np.testing.assert_allclose(measured.dd[:, 0, 0], (12.25 - 8.5) ** 2, rtol=1e-6)
    result = onnx_ood.instrument(path, probes=(), sites="x")
    onnx.checker.check_model(result.model, full_check=True)
    session = onnxruntime.InferenceSession(
        result.model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (found,) = session.run(None, {"x": batch, result.inputs["x"]: nudges})
    np.testing.assert_allclose(found, np.full((2, 1), 12.25), rtol=1e-6)
