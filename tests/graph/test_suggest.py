"""Probes for those who name none."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
import small_models
from hypothesis import given
from hypothesis import strategies as st

import onnx_ood
from onnx_ood import Model, ModelError
from onnx_ood.graph import DEFAULT_LIMIT, suggest_probes

Save = Callable[..., Path]


def suggested(model: Model, limit: int = DEFAULT_LIMIT) -> list[str]:
    return [suggestion.tensor.name for suggestion in suggest_probes(model, limit)]


def relus(count: int) -> small_models.ModelProto:
    """As many activations, and a linear layer as the output."""
    steps = " ".join(f"t{i + 1} = Relu (t{i})" for i in range(count))
    return small_models.build(f"g (float[N] t0) => (float[N] y) {{ {steps} y = Neg (t{count}) }}")


def test_activations_are_taken_where_there_are_any(save: Save) -> None:
    assert suggested(onnx_ood.load(save(small_models.classifier()))) == ["relu1", "relu2"]


def test_the_output_is_not_an_inner_activation(save: Save) -> None:
    assert suggested(onnx_ood.load(save(small_models.residual()))) == ["act"]


def test_the_last_tensor_of_a_decomposed_activation_is_taken(save: Save) -> None:
    assert suggested(onnx_ood.load(save(small_models.decomposed("silu")))) == ["act"]


def test_weighted_operators_stand_in_for_activations(save: Save) -> None:
    model = small_models.build(
        "g (float[N, 4] x) => (float[N, 4] y) { a = MatMul (x, w) b = Neg (a) y = Gemm (b, w) }",
        {"w": small_models.normal(4, 4)},
    )
    assert suggested(onnx_ood.load(save(model))) == ["a"]


def test_anything_inner_stands_in_for_weighted_operators(save: Save) -> None:
    model = small_models.build("g (float[N] x) => (float[N] y) { a = Neg (x) y = Abs (a) }")
    assert suggested(onnx_ood.load(save(model))) == ["a"]


def test_activations_in_control_flow_come_with_weighted_operators_outside(save: Save) -> None:
    branches = """
        y = If (c) <
            then_branch = t () => (float[N, 4] p) { r = Relu (h) p = Neg (r) },
            else_branch = e () => (float[N, 4] q) { s = Tanh (h) q = Neg (s) }
        >
    """
    for first, expected in (
        ("h = Neg (x)", ["n1/then_branch/r", "n1/else_branch/s"]),
        ("h = MatMul (x, w)", ["h", "n1/then_branch/r", "n1/else_branch/s"]),
        ("h = Relu (x)", ["h"]),
    ):
        text = f"g (float[N, 4] x, bool c) => (float[N, 4] y) {{ {first} {branches} }}"
        model = onnx_ood.load(save(small_models.build(text, {"w": small_models.normal(4, 4)})))
        assert [probe.tensor.name for probe in suggest_probes(model)] == expected


def test_the_output_is_the_last_resort(save: Save) -> None:
    assert suggested(
        onnx_ood.load(save(small_models.build("g (float[N] x) => (float[N] y) { y = Relu (x) }")))
    ) == ["y"]


def test_nothing_to_measure_is_an_error_that_names_the_file(save: Save) -> None:
    path = save(small_models.build("g (int64[N] x) => (int64[N] y) { y = Abs (x) }"))
    with pytest.raises(ModelError, match="no floating-point tensor depends on an input") as caught:
        suggest_probes(onnx_ood.load(path))
    assert str(path) in str(caught.value)


def test_reasons_are_for_people(save: Save) -> None:
    model = onnx_ood.load(save(relus(5)))
    assert {s.reason for s in suggest_probes(model)} == {"all 5 activations"}
    assert {s.reason for s in suggest_probes(model, 3)} == {
        "3 of 5 activations, spread evenly over the depth"
    }


@pytest.fixture(scope="module")
def models(save: Save) -> dict[int, Model]:
    return {count: onnx_ood.load(save(relus(count))) for count in range(1, 31)}


@given(count=st.integers(1, 30), limit=st.integers(1, 31))
def test_many_are_thinned_evenly(models: dict[int, Model], count: int, limit: int) -> None:
    chosen = [int(name[1:]) for name in suggested(models[count], limit)]
    assert len(chosen) == min(count, limit)
    assert chosen == sorted(set(chosen))
    if limit > 1:
        gaps = {b - a for a, b in pairwise(chosen)} or {1}
        assert (chosen[0], chosen[-1]) == (1, count)
        assert max(gaps) - min(gaps) <= 1


@pytest.mark.parametrize(
    ("count", "limit", "expected"),
    [
        (5, 5, [1, 2, 3, 4, 5]),
        (5, 4, [1, 2, 4, 5]),
        (9, 3, [1, 5, 9]),
        (9, 2, [1, 9]),
        (9, 1, [5]),
        (4, 1, [3]),
    ],
)
def test_they_are_spread_evenly_from_first_to_last(
    count: int, limit: int, expected: list[int], save: Save
) -> None:
    """Positions are those of `linspace`, rounded; one alone is in the middle."""
    assert suggested(onnx_ood.load(save(relus(count))), limit) == [f"t{i}" for i in expected]


def test_outputs_stand_in_where_nothing_is_inside(save: Save) -> None:
    assert suggested(
        onnx_ood.load(save(small_models.build("g (float[N] x) => (float[N] y) { y = Neg (x) }")))
    ) == ["y"]
