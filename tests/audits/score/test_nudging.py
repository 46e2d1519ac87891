"""Nudges from the settings: their space, scale and selection."""

from __future__ import annotations

import numpy as np
import pytest
import small_models
from measuring import Save, ready

import onnx_ood
from onnx_ood.audits.score.nudging import Perturber
from onnx_ood.evidence.nudge_units import feature_spread
from onnx_ood.evidence.prepared_model import prepare_model
from onnx_ood.exceptions import UsageError
from onnx_ood.inputs import Chosen, open_inputs, parse
from onnx_ood.perturb import draw

SHAPE = (3, 8, 8)
CHOSEN = Chosen(parse("imagenet", (1, *SHAPE)), "stated: imagenet")
IMAGES = small_models.images(2)


def settings(**values: object) -> onnx_ood.ScoreSettings:
    return onnx_ood.ScoreSettings(**{"scale": 0.5, "copies": 3, "seed": 7} | values)


def test_nudges_in_pixels_are_divided_by_the_standard_deviations(save: Save) -> None:
    prober = ready(save(small_models.classifier()))
    noise = draw("gaussian", SHAPE, 3, 7)
    in_tensor = Perturber(settings(space="tensor"), CHOSEN, inner=False).nudges(prober, IMAGES, {})
    np.testing.assert_allclose(in_tensor, 0.5 * noise, rtol=1e-6)
    perturber = Perturber(settings(), CHOSEN, inner=False)
    assert perturber.described.space == "pixel"
    std = np.array([0.229, 0.224, 0.225]).reshape(3, 1, 1)
    np.testing.assert_allclose(perturber.nudges(prober, IMAGES, {}), 0.5 * noise / std, rtol=1e-5)
    # Shared by all batches of one shape.
    assert perturber.nudges(prober, IMAGES[:1], {}) is perturber.nudges(prober, IMAGES, {})


@pytest.mark.parametrize(
    ("chosen", "inner", "space"),
    [(None, False, "tensor"), (CHOSEN, True, "tensor"), (CHOSEN, False, "pixel")],
)
def test_pixels_are_the_space_of_pictures_alone(chosen: Chosen | None, inner: bool, space: str) -> None:
    assert Perturber(settings(), chosen, inner=inner).space == space
    if space == "tensor":
        with pytest.raises(UsageError, match="pixel space"):
            Perturber(settings(space="pixel"), chosen, inner=inner)


def test_the_published_recipe_scales_with_each_input(save: Save) -> None:
    perturber = Perturber(onnx_ood.ScoreSettings(recipe="lesswrong"), None, inner=False)
    assert (perturber.copies, perturber.described.scale) == (1, 1e-5)
    prober = ready(save(small_models.classifier()))
    nudges = perturber.nudges(prober, IMAGES, {})
    assert nudges.shape == (2, 1, *SHAPE)
    np.testing.assert_allclose(perturber.nudges(prober, 8 * IMAGES, {}), 8 * nudges, rtol=1e-6)
    assert perturber.some(nudges, slice(1), np.array([1])).shape == (1, 1, *SHAPE)


def test_nudges_are_selected_by_copy() -> None:
    perturber = Perturber(settings(), None, inner=False)
    nudges = np.arange(6.0).reshape(3, 2)
    np.testing.assert_array_equal(perturber.some(nudges, slice(1, 3), np.array([0])), nudges[1:3])
    assert Perturber(onnx_ood.ScoreSettings(), None, inner=False).copies == 4


def test_nudges_are_at_least_as_large_as_the_steps_of_a_quantized_model(save: Save) -> None:
    prober = ready(save(small_models.classifier()))
    noise = draw("gaussian", SHAPE, 3, 7)
    enlarged = Perturber(settings(), None, inner=False, step=2.0)
    assert enlarged.described.scale == 2.0
    np.testing.assert_allclose(enlarged.nudges(prober, IMAGES, {}), 2 * noise, rtol=1e-6)
    assert Perturber(settings(), None, inner=False, step=0.1).described.scale == 0.5
    in_pixels = Perturber(settings(), CHOSEN, inner=False, step=4.0)
    assert in_pixels.described.scale == pytest.approx(4 * 0.229)


@pytest.mark.parametrize("scales", [(1, 1000, 0.01, 30), (1, 1, 1, 1)])
def test_nudges_of_a_table_have_the_spread_of_each_feature(save: Save, scales: tuple[float, ...]) -> None:
    model = save(small_models.build("net (float[N, 4] x) => (float[N, 4] y) { y = Relu (x) }"))
    rows = small_models.normal(40, 4, seed=3) * np.float32(scales)
    source = open_inputs(rows)
    prepared = prepare_model(model, source)
    spread = feature_spread(prepared, source)
    if len(set(scales)) == 1:
        assert spread is None
        return
    np.testing.assert_allclose(spread, rows.astype(np.float64).std(axis=0, ddof=1))
    perturber = Perturber(settings(), None, inner=False).scaled_by(spread)
    nudges = perturber.nudges(ready(model), rows, {})
    np.testing.assert_allclose(nudges, 0.5 * draw("gaussian", (4,), 3, 7) * spread, rtol=1e-5)
    assert (perturber.described.space, perturber.described.scale) == ("feature", 0.5)
    assert feature_spread(prepared, open_inputs(rows[:9])) is None


def test_features_below_a_step_of_a_quantized_model_are_nudged_by_it(save: Save) -> None:
    model = save(small_models.build("net (float[N, 3] x) => (float[N, 3] y) { y = Relu (x) }"))
    spread = np.array([0.5, 1000, 0])
    perturber = Perturber(settings(scale=0.1), None, inner=False, step=2.0).scaled_by(spread)
    assert perturber.described.scale == 0.1
    nudges = perturber.nudges(ready(model), small_models.normal(4, 3), {})
    np.testing.assert_allclose(nudges, draw("gaussian", (3,), 3, 7) * [2, 100, 0], rtol=1e-6)
