"""The noise floor: what rounding alone does to an activation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import small_models

import onnx_ood
from onnx_ood.metrics import cosine_drop
from onnx_ood.perturb import draw
from onnx_ood.runtime import Prober
from onnx_ood.runtime.rounding import rounding_nudges, storage_floor

Save = Callable[..., Path]


def exact_drop(a: np.ndarray, b: np.ndarray) -> float:
    d = b - a
    return float(cosine_drop((a * a).sum(), (a * d).sum(), (d * d).sum()))


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_storing_two_vectors_in_a_dtype_makes_a_drop_of_that_size(dtype: str) -> None:
    """Two vectors that differ by nothing but their rounding, as two runs would have it."""
    rng = np.random.default_rng(0)
    exact = rng.standard_normal(200_000)
    one, other = (
        (exact * (1 + shift)).astype(dtype).astype(np.float64) / (1 + shift) for shift in (0.0, 1 / 3)
    )
    found = exact_drop(one, other)
    assert storage_floor(dtype) / 4 < found < storage_floor(dtype) * 1.5


def test_it_follows_the_width_of_the_mantissa() -> None:
    assert storage_floor("float32") == 2.0**-48 / 3
    assert storage_floor("float16") == 2.0**-22 / 3
    assert storage_floor("bfloat16") == 2.0**-16 / 3
    assert storage_floor("float64") == 2.0**-106 / 3


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_rounding_nudges_move_values_by_one_unit_in_the_last_place(dtype: str) -> None:
    batch = small_models.normal(3, 1000, dtype=dtype)
    nudges = rounding_nudges(batch, seed=0)
    assert nudges.shape == (3, 1, 1000)
    assert nudges.dtype == batch.dtype
    steps = nudges[:, 0] / np.spacing(np.abs(batch))
    values, counts = np.unique(steps, return_counts=True)
    assert values.tolist() == [-1, 0, 1]
    np.testing.assert_allclose(counts / counts.sum(), [0.25, 0.5, 0.25], atol=0.03)
    np.testing.assert_array_equal(rounding_nudges(batch, seed=0), nudges)
    assert (rounding_nudges(batch, seed=1) != nudges).any()


def ready(path: Path) -> Prober:
    model = onnx_ood.load(path)
    return Prober(model, onnx_ood.select(model, "all"), provider="cpu")


def test_the_floor_is_far_below_drops_that_count_and_grows_with_shorter_mantissas(save: Save) -> None:
    floors = {}
    for dtype in ("float16", "float32"):
        prober = ready(save(small_models.classifier(dtype=dtype)))
        floors[dtype] = prober.noise_floor(small_models.images(4, dtype=dtype))
        assert floors[dtype].shape == (7,)
        assert (floors[dtype] >= storage_floor(dtype)).all()
    assert (floors["float32"] < 1e-12).all()
    assert (floors["float16"] > 1e3 * floors["float32"]).all()
    assert (floors["float16"] < 1e-4).all()


def test_a_nudge_below_the_floor_cannot_be_told_from_rounding(save: Save) -> None:
    """Ten times smaller nudges make a hundred times smaller drops, until the floor stops that."""
    path, batch = save(small_models.classifier()), small_models.images(4)
    prober = ready(path)
    floor = prober.noise_floor(batch)

    def drops(scale: float) -> np.ndarray:
        return (
            prober.measure(batch, draw("gaussian", batch.shape[1:], 4, seed=0) * scale)
            .cosine_drop()[..., 3]
            .mean()
        )

    assert drops(1e-3) / drops(1e-4) == pytest.approx(100, rel=0.1)
    assert drops(1e-4) > 100 * floor[3]
    assert drops(1e-7) < 10 * floor[3]
    assert drops(1e-7) / drops(1e-8) < 50


def test_activations_that_are_not_finite_leave_the_floor_of_the_dtype(save: Save) -> None:
    floor = ready(save(small_models.roots())).noise_floor(-np.ones((2, 4), np.float32))
    np.testing.assert_array_equal(floor, storage_floor("float32"))


def test_inputs_that_are_not_finite_are_no_obstacle(save: Save) -> None:
    batch = np.array([[1, np.nan, np.inf, 2]], np.float32)
    assert np.isfinite(ready(save(small_models.residual())).noise_floor(batch)).all()
