"""Opened tensors, run by onnx's reference."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import small_models
from onnx import ModelProto, TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from onnx_ood.graph.surface.open_site import (
    declare_nudge,
    declare_values,
    nudge_argument,
    nudge_results,
    read_instead,
    replace_result,
)

X = small_models.normal(3, 4)
NUDGE = small_models.normal(3, 4, seed=1)
TEXT = """net (float[N, 4] x) => (float[N, 4] y, float[N, 4] a) {
    a = Neg (x)
    b = Exp (a)
    y = Add (a, b)
}"""


def run(model: ModelProto, **feeds: np.ndarray) -> dict[str, np.ndarray]:
    names = [value.name for value in model.graph.output]
    return dict(zip(names, ReferenceEvaluator(model).run(None, {"x": X, **feeds}), strict=True))


def test_readers_of_a_nudged_result_get_the_sum() -> None:
    model = small_models.build(TEXT)
    nudge_results(model.graph, {"a": ("nudge", "before")})
    declare_nudge(model, "nudge", helper.make_tensor_type_proto(TensorProto.FLOAT, ["N", 4]))
    onnx.checker.check_model(model, full_check=True)
    found = run(model, nudge=NUDGE)
    np.testing.assert_array_equal(found["a"], -X + NUDGE)
    np.testing.assert_allclose(found["y"], (-X + NUDGE) + np.exp(-X + NUDGE), rtol=1e-6)


def test_a_replaced_result_is_the_other_tensor_for_all_readers() -> None:
    model = small_models.build(TEXT)
    replace_result(model.graph, "a", "given", "computed")
    declare_values(model, "given", helper.make_tensor_type_proto(TensorProto.FLOAT, [3, 4]))
    found = run(model, given=NUDGE)
    np.testing.assert_array_equal(found["a"], NUDGE)
    np.testing.assert_allclose(found["y"], NUDGE + np.exp(NUDGE), rtol=1e-6)
    # The node itself is still there, under its new name.
    (computed,) = ReferenceEvaluator(small_models.marked(model, ["computed"])).run(
        ["computed"], {"x": X, "given": NUDGE}
    )
    np.testing.assert_array_equal(computed, -X)


def test_a_nudged_input_keeps_its_name() -> None:
    model = small_models.build("net (float[N, 4] x) => (float[N, 4] y, float[N, 4] x) { y = Exp (x) }")
    nudge_argument(model.graph, "x", "nudge", "sum")
    declare_nudge(model, "nudge", helper.make_tensor_type_proto(TensorProto.FLOAT, ["N", 4]))
    found = run(model, nudge=NUDGE)
    np.testing.assert_allclose(found["y"], np.exp(X + NUDGE), rtol=1e-6)
    np.testing.assert_array_equal(found["x"], X)


@pytest.mark.parametrize("rank", [None, 0, 1, 3])
def test_a_nudge_broadcasts_and_is_minus_zero_by_default(rank: int | None) -> None:
    model = small_models.build(TEXT)
    declare_nudge(
        model, "nudge", helper.make_tensor_type_proto(TensorProto.FLOAT, None if rank is None else [5] * rank)
    )
    kind = model.graph.input[1].type
    assert kind == helper.make_tensor_type_proto(TensorProto.FLOAT, None if rank is None else [None] * rank)
    default = numpy_helper.to_array(model.graph.initializer[0])
    assert default.shape == (1,) * (rank or 0)
    assert default.tobytes() == np.float32(-0.0).tobytes()


@pytest.mark.parametrize(("version", "defaults"), [(3, 0), (4, 1)])
def test_defaults_can_be_overridden_from_ir_version_4_on(version: int, defaults: int) -> None:
    model = small_models.build(TEXT)
    model.ir_version = version
    declare_nudge(model, "nudge", helper.make_tensor_type_proto(TensorProto.FLOAT, ["N", 4]))
    assert len(model.graph.initializer) == defaults


@pytest.mark.parametrize(
    ("given", "declared"),
    [([7, 4, 3], [None, 4, 3]), (["N", "C", -1, 0], [None, None, None, 0]), ([], []), ([5], [None])],
)
def test_replaced_values_may_have_any_batch(given: list[object], declared: list[object]) -> None:
    model = small_models.build(TEXT)
    declare_values(model, "given", helper.make_tensor_type_proto(TensorProto.FLOAT, given))
    assert model.graph.input[1].type == helper.make_tensor_type_proto(TensorProto.FLOAT, declared)


def test_subgraphs_read_the_other_tensor_unless_they_define_the_name() -> None:
    model = small_models.build(
        """net (float[N] x, bool c) => (float[N] y) {
            h = Relu (x)
            y = If (c) <
                then_branch = one () => (float[N] t) { t = Add (h, h) },
                else_branch = two () => (float[N] h) { h = Abs (x) }
            >
        }"""
    )
    outer = model.graph.node[1]
    read_instead(outer, "h", "other")
    then, other = (attribute.g for attribute in outer.attribute)
    assert list(then.node[0].input) == ["other", "other"]
    assert (other.node[0].output[0], other.output[0].name) == ("h", "h")
    # A branch may return an outer value unchanged.
    del then.node[:]
    then.output[0].name = "other"
    read_instead(outer, "other", "third")
    assert then.output[0].name == "third"
    read_instead(outer, "c", "flag")
    assert list(outer.input) == ["flag"]


def test_a_result_is_nudged_by_two_of_its_paths() -> None:
    model = small_models.build(TEXT)
    nudge_results(model.graph, {"a": ("first", "before"), "before": ("second", "own")})
    for name in ("first", "second"):
        declare_nudge(model, name, helper.make_tensor_type_proto(TensorProto.FLOAT, ["N", 4]))
    onnx.checker.check_model(model, full_check=True)
    np.testing.assert_allclose(run(model, first=NUDGE, second=2 * NUDGE)["a"], -X + 3 * NUDGE, rtol=1e-5)
