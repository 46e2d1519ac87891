"""Cutting a model at an inner tensor."""

import numpy as np
import onnx
import pytest
import small_models
from onnx.reference import ReferenceEvaluator

import onnx_ood
from onnx_ood.exceptions import SelectorError, UsageError
from onnx_ood.graph import downstream_model, element_type, find_cut, open_at

RESIDUAL = """
    residual (float[N, 4] x) => (float[N, 4] y) {
        c = Constant <value = float[1] {2.0}> ()
        doubled = Mul (w, c)
        a = Mul (x, doubled)
        b = Relu (a)
        d = Tanh (b)
        e = Add (d, a)
        side = Sin (x)
        y = Add (e, side)
        unused = Cos (y)
    }
"""


@pytest.fixture
def residual(save):
    return onnx_ood.load(save(small_models.build(RESIDUAL, {"w": small_models.normal(4, seed=3)})))


def cut_at(model, site, probes):
    return find_cut(open_at(model, [*probes, site], site), site, probes)


def ops(cut):
    """What runs behind the cut, but for the Identity that gives the site its values."""
    return [node.op_type for node in cut.nodes if node.op_type != "Identity"]


def test_only_what_lies_behind_the_site_runs_again(residual):
    cut = cut_at(residual, "b", ["y"])
    assert ops(cut) == ["Tanh", "Add", "Add"]
    assert cut.crossing == ("a", "side")


def test_what_no_probe_needs_is_left_out(residual):
    cut = cut_at(residual, "b", ["d"])
    assert ops(cut) == ["Tanh"]
    assert cut.crossing == ()


def test_constants_are_computed_again_not_carried(save):
    """So that the runtime can still fold them into weights."""
    text = """
        g (float[N, 4] x) => (float[N, 4] z) {
            c = Constant <value = float[1] {2.0}> ()
            doubled = Mul (w, c)
            doubled_x = Add (x, x)
            z = Mul (doubled_x, doubled)
        }
    """
    model = onnx_ood.load(save(small_models.build(text, {"w": small_models.normal(4, seed=3)})))
    cut = cut_at(model, "doubled_x", ["z"])
    assert ops(cut) == ["Constant", "Mul", "Mul"]
    assert cut.crossing == ()


def test_draws_are_carried_not_drawn_again(save):
    text = """
        noisy (float[N, 4] x) => (float[N, 4] y) {
            noise = RandomNormal <shape = [4]> ()
            a = Relu (x)
            b = Exp (a)
            y = Add (b, noise)
        }
    """
    cut = cut_at(onnx_ood.load(save(small_models.build(text))), "a", ["y"])
    assert ops(cut) == ["Exp", "Add"]
    assert cut.crossing == ("noise",)


def test_an_input_that_is_read_behind_the_site_is_carried(save):
    text = "g (float[N] x, float[N] z) => (float[N] y) { a = Relu (x) b = Exp (a) y = Mul (b, z) }"
    assert cut_at(onnx_ood.load(save(small_models.build(text))), "a", ["y"]).crossing == ("z",)


def test_what_a_branch_captures_is_carried(save):
    text = """
        g (float[N] x, bool c) => (float[N] y) {
            outer = Sin (x)
            a = Relu (x)
            b = Exp (a)
            y = If (c) <
                then_branch = t () => (float[N] p) { p = Add (b, outer) },
                else_branch = e () => (float[N] q) { q = Mul (a, b) }
            >
        }
    """
    cut = cut_at(onnx_ood.load(save(small_models.build(text))), "a", ["y"])
    assert ops(cut) == ["Exp", "If"]
    assert set(cut.crossing) == {"outer", "c"}


@pytest.mark.parametrize("probe", ["a", "b", "side"])
def test_a_probe_that_is_not_behind_the_site_is_refused(residual, probe):
    with pytest.raises(SelectorError, match=f"'{probe}' does not depend on the site 'b'"):
        cut_at(residual, "b", ["y", probe])


def test_the_part_computes_what_the_whole_does(residual):
    opened = open_at(residual, ["e", "y", "b"], "b")
    cut = find_cut(opened, "b", ["e", "y"])
    shapes = {"a": (None, 4), "side": (None, 4)}
    part = downstream_model(opened.proto, cut, dict.fromkeys(["a", "side"], element_type("float32")), shapes)
    part.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [None, 4]) for name in ("e", "y")
    )
    onnx.checker.check_model(part)
    x = small_models.normal(3, 4, seed=5)
    whole = onnx.ModelProto()
    whole.CopyFrom(residual.proto)
    del whole.graph.output[:]
    for name in ("a", "b", "side", "e", "y"):
        whole.graph.output.add(name=name)
    a, b, side, e, y = ReferenceEvaluator(whole).run(None, {"x": x})
    found = ReferenceEvaluator(part).run(["e", "y"], {cut.site: b, "a": a, "side": side})
    np.testing.assert_array_equal(found[0], e)
    np.testing.assert_array_equal(found[1], y)


def test_the_whole_model_is_not_changed(residual):
    before = residual.proto.SerializeToString(deterministic=True)
    opened = open_at(residual, ["y", "b"], "b")
    downstream_model(opened.proto, find_cut(opened, "b", ["y"]), dict.fromkeys(["a", "side"], 1), {})
    assert residual.proto.SerializeToString(deterministic=True) == before


def test_element_types_are_onnx_s_own():
    assert element_type("float32") == onnx.TensorProto.FLOAT
    assert element_type("float64") == onnx.TensorProto.DOUBLE
    assert element_type("int64") == onnx.TensorProto.INT64
    assert element_type("bool") == onnx.TensorProto.BOOL
    assert element_type("bfloat16") == onnx.TensorProto.BFLOAT16
    with pytest.raises(UsageError, match="'float31'"):
        element_type("float31")
