"""Operators that draw random numbers, by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import small_models
from onnx import ModelProto, TensorProto, helper

import onnx_ood
from onnx_ood.graph import random_operators


def dropout(mode: np.ndarray | None) -> ModelProto:
    weights = {"ratio": np.array(0.5, np.float32)} | ({} if mode is None else {"mode": mode})
    given = "" if mode is not None else ", bool mode"
    return small_models.build(
        f"d (float[N, 4] x{given}) => (float[N, 4] y) {{ y = Dropout (x, ratio, mode) }}", weights
    )


def inside_a_branch() -> ModelProto:
    def branch(op: str) -> object:
        out = helper.make_tensor_value_info(op, TensorProto.FLOAT, None)
        return helper.make_graph([helper.make_node(op, ["x"], [op])], op, [], [out])

    node = helper.make_node(
        "If", ["c"], ["y"], then_branch=branch("RandomUniformLike"), else_branch=branch("Relu")
    )
    info = helper.make_tensor_value_info
    inputs = [info("x", TensorProto.FLOAT, ["N", 4]), info("c", TensorProto.BOOL, [])]
    graph = helper.make_graph([node], "g", inputs, [info("y", TensorProto.FLOAT, ["N", 4])])
    return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (small_models.classifier, ()),
        (
            lambda: small_models.build(
                "n (float[N, 4] x) => (float[N, 4] y) { e = RandomNormalLike (x) b = Bernoulli (x)"
                " s = Add (e, b) y = Add (x, s) }"
            ),
            ("Bernoulli", "RandomNormalLike"),
        ),
        (lambda: dropout(np.array(True)), ("Dropout in training mode",)),
        (lambda: dropout(np.array(False)), ()),
        (lambda: dropout(None), ("Dropout in training mode",)),
        (inside_a_branch, ("RandomUniformLike",)),
        (
            lambda: small_models.build(
                "b (float[N, 4, 3] x) => (float[N, 4, 3] y)"
                "{ y, m, v = BatchNormalization <training_mode = 1> (x, one, zero, zero, one) }",
                {"one": np.ones(4, np.float32), "zero": np.zeros(4, np.float32)},
            ),
            ("BatchNormalization in training mode",),
        ),
    ],
)
def test_are_found_at_any_depth(
    make: Callable[[], ModelProto], expected: tuple[str, ...], save: Callable[..., Path]
) -> None:
    assert random_operators(onnx_ood.load(save(make()))) == expected
