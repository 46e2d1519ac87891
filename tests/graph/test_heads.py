"""Heads of classifiers against onnx's reference and the definitions of the operators."""

import numpy as np
import pytest
import small_models
from onnx.reference import ReferenceEvaluator

import onnx_ood
from onnx_ood.graph import find_linear_layer


def values_in(loaded: onnx_ood.Model, names: list[str], feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Tensors of a model by onnx's reference."""
    return ReferenceEvaluator(small_models.marked(loaded.proto, names)).run(names, feeds)


@pytest.mark.parametrize(
    ("body", "features"),
    [
        ("z = Gemm (h, m, b)", "h"),
        ("z = Gemm <transB = 1> (h, n, b)", "h"),
        ("z = Gemm <alpha = 0.5, beta = 3.0> (h, m, b)", "h"),
        ("z = Gemm (h, m)", "h"),
        ("z = Gemm (h, m, one)", "h"),
        ("z = MatMul (h, m)", "h"),
        ("p = MatMul (h, m) z = Add (p, b)", "h"),
        ("p = MatMul (h, m) z = Add (b, p)", "h"),
        ("p = MatMul (h, m) z = Add (p, row)", "h"),
        ("p = Gemm (h, m, b) z = Add (row, p)", "h"),
        ("t = Transpose <perm = [1, 0]> (n) z = Gemm (h, t, b)", "h"),
        ("p = Gemm (h, m, b) q = Dropout (p) z = Cast <to = 1> (q)", "h"),
        ("i = Unsqueeze (h, spatial) c = Conv (i, k, b) z = Flatten (c)", "i"),
    ],
)  # fmt: skip
def test_a_linear_layer_gives_the_scores(body: str, features: str, save) -> None:
    """W·h + b in float64 of the features is the scores of onnx's reference."""
    weights = {
        "w": small_models.normal(4, 4),
        "m": small_models.normal(4, 3, seed=1),
        "n": small_models.normal(3, 4, seed=2),
        "b": small_models.normal(3, seed=3),
        "one": small_models.normal(1, seed=4),
        "row": small_models.normal(1, 3, seed=5),
        "k": small_models.normal(3, 4, 1, 1, seed=6),
        "spatial": np.array([2, 3]),
    }
    text = f"net (float[N, 4] x) => (float[N, 3] z) {{ h = Gemm (x, w) {body} }}"
    loaded = onnx_ood.load(save(small_models.build(text, weights)))
    layer = find_linear_layer(loaded, "z")
    assert layer is not None
    assert layer.features == features
    assert layer.weight.dtype == layer.bias.dtype == np.float64
    x = {"x": small_models.normal(5, 4, seed=7)}
    found, z = values_in(loaded, [layer.features, "z"], x)
    expected = found.reshape(5, 4).astype(np.float64) @ layer.weight.T + layer.bias
    np.testing.assert_allclose(z, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "body",
    [
        "z = Relu (h)",
        "z = Gemm <transA = 1> (h, m)",
        "n = Neg (m) z = MatMul (h, n)",
        "z = MatMul (h, h)",
        "p = MatMul (h, m) z = Add (p, p)",
        "p = MatMul (h, m) z = Add (p, m)",
        "p = MatMul (h, m) z = Add (p, two)",
        "p = Relu (h) z = Add (p, b)",
        "c = Neg (b) z = Gemm (h, m, c)",
        "i = Unsqueeze (h, spatial) z = Conv (i, wide)",
        "i = Unsqueeze (h, spatial) z = Conv <group = 4> (i, grouped)",
        "z = MatMul (h, cube)",
        "z = Identity (x)",
    ],
)
def test_other_scores_have_no_linear_layer(body: str, save) -> None:
    weights = {
        "w": small_models.normal(4, 4),
        "m": small_models.normal(4, 4, seed=1),
        "b": small_models.normal(4, seed=3),
        "two": small_models.normal(2, seed=3),
        "cube": small_models.normal(2, 4, 4, seed=3),
        "wide": small_models.normal(4, 4, 1, 3),
        "grouped": small_models.normal(4, 1, 1, 1),
        "spatial": np.array([2, 3]),
    }
    text = f"net (float[N, 4] x) => (z) {{ h = Gemm (x, w) {body} }}"
    assert find_linear_layer(onnx_ood.load(save(small_models.build(text, weights))), "z") is None


@pytest.mark.parametrize(
    ("body", "rectified"),
    [
        ("h = Relu (i)", True),
        ("h = Sigmoid (i)", True),
        ("r = Softplus (i) h = Identity (r)", True),
        ("r = Relu (i) p = MaxPool <kernel_shape = [1, 1]> (r) h = Identity (p)", True),
        ("r = Relu (i) h = GlobalAveragePool (r)", True),
        ("h = LeakyRelu (i)", False),
        ("h = Neg (i)", False),
        ("h = Clip (i, zero)", True),
        ("h = Clip (i, half, one)", True),
        ("h = Clip (i, minus, one)", False),
        ("h = Clip (i)", False),
        ('h = Clip (i, "", one)', False),
        ("r = Relu (i) s = Neg (r) h = Identity (s)", False),
    ],
)
def test_rectified_features_are_never_negative(body: str, rectified: bool, save) -> None:
    """Only what the operators before the layer rule out by their definitions counts."""
    weights = {
        "w": small_models.normal(4, 4),
        "m": small_models.normal(4, 3, seed=1),
        "spatial": np.array([2, 3]),
        "zero": np.float32(0),
        "half": np.float32(0.5),
        "one": np.float32(1),
        "minus": np.float32(-0.1),
    }
    text = f"""net (float[N, 4] x) => (float[N, 3] z) {{
        g = Gemm (x, w) i = Unsqueeze (g, spatial) {body} f = Flatten (h) z = Gemm (f, m)
    }}"""
    layer = find_linear_layer(onnx_ood.load(save(small_models.build(text, weights))), "z")
    assert layer is not None
    assert layer.rectified is rectified


@pytest.mark.parametrize(("low", "rectified"), [(0.0, True), (-0.5, False), (None, False)])
def test_a_clip_with_attributes_is_rectified_from_zero_on(low: float | None, rectified: bool, save) -> None:
    bounds = "max = 6.0" if low is None else f"min = {low}, max = 6.0"
    text = f"net (float[N, 4] x) => (float[N, 4] z) {{ h = Clip <{bounds}> (x) z = Gemm (h, w) }}"
    layer = find_linear_layer(
        onnx_ood.load(save(small_models.build(text, {"w": small_models.normal(4, 4)}, opset=10))), "z"
    )
    assert layer is not None
    assert layer.rectified is rectified


@pytest.mark.parametrize(
    ("pool", "opset", "pooled"),
    [
        ("p = GlobalAveragePool (c)", 17, "c"),
        ("p = GlobalMaxPool (c)", 17, None),
        ("p = ReduceMean <axes = [2, 3]> (c)", 17, "c"),
        ("p = ReduceMean <axes = [-1, -2], keepdims = 0> (c)", 17, "c"),
        ("p = ReduceMean <axes = [3]> (c)", 17, None),
        ("p = ReduceMean (c, last)", 18, "c"),
        ("p = ReduceMean (c, one_axis)", 18, None),
        ("p = ReduceMax (c, last)", 18, None),
    ],
)
def test_the_pooled_map_has_the_features_as_its_mean(pool: str, opset: int, pooled: str | None, save) -> None:
    weights = {
        "k": small_models.normal(4, 2, 1, 1),
        "m": small_models.normal(4, 3, seed=1),
        "shape": np.array([-1, 4]),
        "last": np.array([-1, -2]),
        "one_axis": np.array([3]),
    }
    reshape = "f = Reshape (p, shape)" if "[3]" not in pool and "one_axis" not in pool else "f = Flatten (p)"
    rows = {"m": small_models.normal(12, 3, seed=1)} if "Flatten" in reshape else {}
    text = (
        f"net (float[N, 2, 3, 5] x) => (float[N, 3] z) {{ c = Conv (x, k) {pool} {reshape} z = Gemm (f, m) }}"
    )
    loaded = onnx_ood.load(save(small_models.build(text, weights | rows, opset=opset)))
    layer = find_linear_layer(loaded, "z")
    assert layer is not None
    assert layer.pooled == pooled
    if pooled:
        found, features = values_in(loaded, [pooled, layer.features], {"x": small_models.normal(2, 2, 3, 5)})
        np.testing.assert_allclose(found.mean(axis=(2, 3)), features.reshape(2, 4), rtol=1e-5, atol=1e-6)
