"""Channel axes by the definitions of the operators."""

from __future__ import annotations

import pytest
import small_models

import onnx_ood
from onnx_ood.graph import ChannelAxes


@pytest.mark.parametrize(
    ("body", "last"),
    [
        ("y = Conv (x, k)", False),
        ("c = Conv (x, k) r = Relu (c) y = Identity (r)", False),
        ("y = MatMul (x, w)", True),
        ("m = MatMul (x, w) r = Relu (m) y = Add (r, x)", True),
        ("m = MatMul (x, w) y = Conv (m, k)", False),
        ("c = Conv (x, k) y = LayerNormalization (c, w)", True),
        ("c = Conv (x, k) y = Add (w, c)", False),
        # A bias or a scale comes first.
        ("m = MatMul (x, w) y = Add (w, m)", True),
        ("m = MatMul (x, w) h = Constant <value = float[1] {0.5}> () y = Mul (h, m)", True),
        # Nothing before it defines an axis.
        ("y = Relu (x)", False),
        ("y = Identity (w)", False),
        ("y = Constant <value = float[1] {1.0}> ()", False),
    ],
)
def test_the_nearest_operator_with_an_axis_decides(body: str, last: bool, save) -> None:
    weights = {"k": small_models.normal(3, 3, 1, 1), "w": small_models.normal(4, 4)}
    model = small_models.build(f"net (float[N, 3, 4, 4] x) => (y) {{ {body} }}", weights)
    axes = ChannelAxes(onnx_ood.load(save(model)))
    assert axes.last("y") is last
    assert axes.last("x") is axes.last("nothing") is False
