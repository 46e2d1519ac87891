"""Choice of the layer whose boundaries are shown."""

from __future__ import annotations

from pathlib import Path

import pytest
import small_models
from plane_models import saved

import onnx_ood
from onnx_ood.exceptions import SelectorError

POOLED = """
    pooled (float[N, 1, 4, 4] x) => (float[N, 1, 2, 2] y) {
        r = Relu (s)
        m = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (r)
        e = Elu (m)
        y = Mul (e, e)
        s = Mul (x, x)
    }
"""


def test_the_layer_is_the_last_that_is_piecewise_linear_or_the_one_that_is_named(
    save, tmp_path: Path
) -> None:
    path = save(small_models.build(POOLED.replace("        s = Mul (x, x)\n", "").replace(
        "{\n", "{\n        s = Mul (x, x)\n")))  # fmt: skip
    file = saved(tmp_path, small_models.normal(3, 1, 4, 4, seed=1))

    def layer(selector: str | None) -> str:
        settings = onnx_ood.PlaneSettings(resolution=8, directions=0, probe=selector)
        return onnx_ood.plane(path, [file], settings).probe.name

    assert [layer(None), layer("op:Relu"), layer("s"), layer("e"), layer("op:Elu[-1]")] == [
        "r",
        "r",
        "r",
        "e",
        "e",
    ]
    for selector, message in [
        ("m", "'m' chooses the largest of several values"),
        ("all", "selects 3 activation functions; a plane shows one, so name it: r, m, e"),
        ("y", "no activation function with boundaries; the last that there are: r, e"),
        ("nothing", "matches no tensor"),
    ]:
        with pytest.raises(SelectorError, match=message):
            layer(selector)
