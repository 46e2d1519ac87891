"""How the codes of units are read, against the definition of each activation function by onnx's reference."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import small_models
from onnx import ModelProto, helper
from onnx.reference import ReferenceEvaluator

from onnx_ood.graph import PatternSite, Units, find_units, load, with_pool_indices

WEIGHTS = {
    "w": small_models.normal(4, 4, seed=3),
    "low": np.array(-0.25, np.float32),
    "high": np.array(0.75, np.float32),
    "rising": np.array([0.1, 0.2, 0.0, 2.0], np.float32),
    "bent": np.array([0.1, -0.2, 0.3, 2.0], np.float32),
    "many": np.array([0.1, -0.2, 0.3, 2.0], np.float32),
    "same": np.full(4, 0.5, np.float32),
}
SIXTH = float(np.float32(0.16667))
LINEAR, PIECES, SIGN = "linear", "pattern", "sign"
# What stands between two linear layers: opset, text, then what has to be found: the operator, how exact its codes
# are, the thresholds on h, and the tensor that is read.
FORMS: dict[str, tuple[int, str, str, str, tuple[float, ...], str]] = {
    "relu": (17, "act = Relu (h)", "Relu", LINEAR, (0,), "act"),
    "leaky": (17, "act = LeakyRelu <alpha = 0.2> (h)", "LeakyRelu", LINEAR, (0,), "act"),
    "leaky, bent back": (17, "act = LeakyRelu <alpha = -0.2> (h)", "LeakyRelu", LINEAR, (0,), "h"),
    "prelu": (17, "act = PRelu (h, rising)", "PRelu", LINEAR, (0,), "act"),
    "prelu, bent back": (17, "act = PRelu (h, bent)", "PRelu", LINEAR, (0,), "h"),
    "abs": (17, "act = Abs (h)", "Abs", LINEAR, (0,), "h"),
    "clip": (17, "act = Clip (h, low, high)", "Clip", LINEAR, (-0.25, 0.75), "act"),
    "clip from below": (17, "act = Clip (h, low)", "Clip", LINEAR, (-0.25,), "act"),
    "clip from above": (17, "act = Clip (h, , high)", "Clip", LINEAR, (0.75,), "act"),
    "clip, attributes": (6, "act = Clip <min = 0.0, max = 1.0> (h)", "Clip", LINEAR, (0, 1), "act"),
    "clip, constants": (
        17,
        "i = Constant <value_int = 1> () one_f = Cast <to = 1> (i) act = Clip (h, low, one_f)",
        "Clip",
        LINEAR,
        (-0.25, 1),
        "act",
    ),
    "thresholded": (17, "act = ThresholdedRelu <alpha = 0.5> (h)", "ThresholdedRelu", LINEAR, (0.5,), "act"),
    "thresholded below 0": (
        17,
        "act = ThresholdedRelu <alpha = -0.5> (h)",
        "ThresholdedRelu",
        LINEAR,
        (-0.5,),
        "h",
    ),
    "hard sigmoid": (
        17,
        "act = HardSigmoid <alpha = 0.25, beta = 0.5> (h)",
        "HardSigmoid",
        LINEAR,
        (-2, 2),
        "act",
    ),
    "max": (17, "act = Max (low, h, high)", "Max", LINEAR, (0.75,), "act"),
    "min": (17, "act = Min (h, same)", "Min", LINEAR, (0.5,), "act"),
    "hard swish": (17, "act = HardSwish (h)", "HardSwish", PIECES, (-3, 3), "h"),
    "sigmoid": (17, "act = Sigmoid (h)", "Sigmoid", SIGN, (0,), "h"),
    "softplus": (17, "act = Softplus (h)", "Softplus", SIGN, (0,), "h"),
    "tanh": (17, "act = Tanh (h)", "Tanh", SIGN, (0,), "act"),
    "elu": (17, "act = Elu (h)", "Elu", SIGN, (0,), "act"),
    "elu, bent back": (17, "act = Elu <alpha = -1.0> (h)", "Elu", SIGN, (0,), "h"),
    "selu": (17, "act = Selu (h)", "Selu", SIGN, (0,), "act"),
    "celu": (17, "act = Celu (h)", "Celu", SIGN, (0,), "act"),
    "softsign": (17, "act = Softsign (h)", "Softsign", SIGN, (0,), "act"),
    "gelu": (20, "act = Gelu (h)", "Gelu", SIGN, (0,), "act"),
    "gelu by tanh": (20, 'act = Gelu <approximate = "tanh"> (h)', "Gelu", SIGN, (0,), "act"),
    "mish": (18, "act = Mish (h)", "Mish", SIGN, (0,), "act"),
}
DECOMPOSED: dict[str, tuple[str, str, tuple[float, ...], str]] = {
    "silu": ("Swish (decomposed)", SIGN, (0,), "act"),
    "silu, gate first": ("Swish (decomposed)", SIGN, (0,), "act"),
    "hard swish": ("HardSwish (decomposed)", PIECES, (-0.5 / SIXTH, 0.5 / SIXTH), "h"),
    "mish": ("Mish (decomposed)", SIGN, (0,), "act"),
    "erf gelu, halved first": ("Gelu (decomposed)", SIGN, (0,), "act"),
    "erf gelu, halved last": ("Gelu (decomposed)", SIGN, (0,), "act"),
    "tanh gelu, halved first": ("Gelu (decomposed)", SIGN, (0,), "act"),
    "tanh gelu, halved last": ("Gelu (decomposed)", SIGN, (0,), "act"),
}

Save = Callable[..., object]


def build(text: str, opset: int = 17, inputs: str = "float[N, 4] x") -> ModelProto:
    return small_models.build(
        f"g ({inputs}) => (float[N, 4] y) {{ h = MatMul (x, w) {text} y = MatMul (act, w) }}",
        WEIGHTS,
        opset=opset,
        domains=["com.microsoft"],
    )


def units_of(save: Save, model: ModelProto) -> Units:
    return find_units(load(save(model)))  # type: ignore[arg-type]


def assert_read_as_defined(model: ModelProto, site: PatternSite, thresholds: tuple[float, ...]) -> None:
    """Codes on the pre-activation are those that the site says to read."""
    marked = small_models.marked(model, ["h", site.read])
    outputs = list(dict.fromkeys(["h", site.read]))
    x = small_models.normal(4000, 4, seed=8, scale=2)
    found = dict(zip(outputs, ReferenceEvaluator(marked).run(outputs, {"x": x}), strict=True))
    defined = np.sum([found["h"] > threshold for threshold in thresholds], axis=0)
    read = np.sum([found[site.read] > np.float32(above) for above in site.above], axis=0)
    # Every code is there, in plenty.
    assert np.bincount(defined.ravel(), minlength=len(thresholds) + 1).min() > 100
    np.testing.assert_array_equal(read, defined)


@pytest.mark.parametrize("form", FORMS)
def test_operators(form: str, save: Save) -> None:
    opset, text, op, exact, thresholds, read = FORMS[form]
    model = build(text, opset)
    units = units_of(save, model)
    assert not units.unread
    (site,) = units.sites
    assert (site.name, site.op, site.source, site.exact, site.read) == ("act", op, "h", exact, read)
    np.testing.assert_allclose(site.thresholds, thresholds, rtol=1e-6)
    assert_read_as_defined(model, site, thresholds)


@pytest.mark.parametrize("form", DECOMPOSED)
@pytest.mark.parametrize("source", ["Gemm (x, w)", "Mul (x, root2)", "Add (x, one)"])
def test_decomposed_functions(form: str, source: str, save: Save) -> None:
    op, exact, thresholds, read = DECOMPOSED[form]
    model = small_models.decomposed(form, source)
    units = units_of(save, model)
    assert not units.unread
    (site,) = units.sites
    assert (site.name, site.op, site.source, site.exact, site.read) == ("act", op, "h", exact, read)
    np.testing.assert_allclose(site.thresholds, thresholds, rtol=1e-6)
    assert_read_as_defined(model, site, thresholds)


def test_every_decomposed_form_is_known() -> None:
    assert DECOMPOSED.keys() == small_models.DECOMPOSED.keys()


def test_a_gate_that_is_a_unit_itself(save: Save) -> None:
    """Squeeze and excitation: the sigmoid of another tensor multiplies h."""
    model = build("s = MatMul (h, w) gate = Sigmoid (s) act = Mul (h, gate)")
    (site,) = units_of(save, model).sites
    assert (site.name, site.source, site.read, site.exact) == ("gate", "s", "s", SIGN)


@pytest.mark.parametrize(("op", "biased"), [("BiasGelu", True), ("FastGelu", True), ("QuickGelu", False)])
def test_operators_of_the_runtime(op: str, biased: bool, save: Save) -> None:
    """With a bias inside, the pre-activation is no tensor of the graph."""
    bias = ", rising" if biased else ""
    (site,) = units_of(save, build(f"act = com.microsoft.{op} (h{bias})")).sites
    assert (site.op, site.source, site.read, site.above) == (op, "" if biased else "h", "act", (0.0,))


def test_the_float_below_a_bound_is_one_of_the_tensors_type(save: Save) -> None:
    text = "g ({kind}[N, 4] x) => ({kind}[N, 4] y) {{ y = Clip (x, low, high) }}"
    for kind, dtype in (("float16", np.float16), ("float", np.float32), ("double", np.float64)):
        weights = {"low": np.array(0, dtype), "high": np.array(6, dtype)}
        (site,) = units_of(save, small_models.build(text.format(kind=kind), weights)).sites
        below = dtype(site.above[1])
        assert below < 6
        assert np.nextafter(below, dtype(7)) == 6


UNREAD = {
    "act = Max (h, x)": ("act", "largest of several"),
    "act = Min (h, x, low)": ("act", "smallest of several"),
    "act = Max (h, many)": ("act", "differ"),
    "b = ReduceMax <axes = [0, 1], keepdims = 0> (x) act = Clip (h, low, b)": ("act", "not stored"),
    "act = Clip (h)": ("act", "no threshold"),
    "act = Clip (h, high, low)": ("act", "is constant"),
    "act = HardSigmoid <alpha = -1.0> (h)": ("act", "slope"),
    "act = com.microsoft.BiasSplitGelu (h, rising)": ("act", "halves"),
    "act = ReduceMax <axes = [1]> (h)": ("act", "along axes"),
}


@pytest.mark.parametrize("text", UNREAD)
def test_what_cannot_be_read_is_listed_with_a_reason(text: str, save: Save) -> None:
    name, reason = UNREAD[text]
    units = units_of(save, build(text))
    assert reason in units.unread[name]
    assert name not in [site.name for site in units.sites]


def pooled(opset: int = 17) -> ModelProto:
    return small_models.build(
        """
        pooled (float[N, 2, 6, 6] x) => (float[N, 2] y) {
            h = Conv <pads = [1, 1, 1, 1]> (x, w)
            act = MaxPool <kernel_shape = [3, 3], strides = [2, 2]> (h)
            most = GlobalMaxPool (act)
            y = Flatten (most)
        }
        """,
        {"w": small_models.normal(2, 2, 3, 3, seed=4)},
        opset=opset,
    )


def test_windows_tell_the_place_of_the_largest(save: Save) -> None:
    model = load(save(pooled()))  # type: ignore[arg-type]
    units = find_units(model)
    (site,) = units.sites
    assert site.argmax
    assert (site.name, site.source, site.exact) == ("act", "h", LINEAR)
    assert "whole channel" in units.unread["most"]
    extended, places = with_pool_indices(model, ["act"])
    names = ["h", "act", places["act"].indices, places["act"].shape]
    run = ReferenceEvaluator(small_models.marked(extended.proto, names)).run
    h, largest, indices, shape = run(names, {"x": small_models.normal(3, 2, 6, 6)})
    np.testing.assert_array_equal(h.ravel()[indices], largest)
    np.testing.assert_array_equal(shape, h.shape)


def test_old_pools_are_listed(save: Save) -> None:
    units = units_of(save, pooled(opset=7))
    assert not units.sites
    assert "older than 8" in units.unread["act"]


def test_units_inside_branches(save: Save) -> None:
    """Their pre-activations may be outside."""
    (site,) = units_of(save, small_models.with_if()).sites
    assert (site.name, site.source, site.read) == ("n1/then_branch/t", "", "n1/then_branch/t")
    model = small_models.with_if()
    model.graph.node[1].attribute[0].g.node[0].op_type = "Abs"
    assert "outside" in units_of(save, model).unread["n1/then_branch/t"]


def with_function() -> ModelProto:
    """Abs behind Neg in a function, and a LeakyRelu whose slope the call sets."""
    model = build("act = mine.F <slope = 0.5> (h)")
    leaky = helper.make_node("LeakyRelu", ["a"], ["out"])
    leaky.attribute.add(name="alpha", ref_attr_name="slope", type=1)
    nodes = [helper.make_node("Neg", ["v"], ["n"]), helper.make_node("Abs", ["n"], ["a"]), leaky]
    opsets = [helper.make_opsetid("", 17)]
    model.functions.append(helper.make_function("mine", "F", ["v"], ["out"], nodes, opsets, ["slope"]))
    model.opset_import.append(helper.make_opsetid("mine", 1))
    return model


def test_units_inside_functions(save: Save) -> None:
    units = units_of(save, with_function())
    (site,) = units.sites
    assert (site.name, site.source, site.read) == ("n1/F/a", "n1/F/n", "n1/F/n")
    assert "where its function is called" in units.unread["n1/F/out"]


def test_units_of_constants_and_integers_are_none(save: Save) -> None:
    model = build("r = Relu (w) s = Shape (h) m = Max (s, s) act = MatMul (h, r)")
    assert units_of(save, model) == Units((), {})


def test_damaged_nodes_are_passed_over(save: Save) -> None:
    model = build("act = Relu (h)")
    for node in model.graph.node:
        del node.input[:]
    assert units_of(save, model).sites == ()
