"""Inputs as the model takes them, from arrays with the batch axis first."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import small_models
from measuring import Save

import onnx_ood
from onnx_ood.runtime import find_fed_input


@pytest.mark.parametrize(
    ("axis", "given", "taken"),
    [(0, (2, 3, 4), (2, 3, 4)), (1, (2, 3, 4), (3, 2, 4)), (2, (2, 3, 4), (3, 4, 2))],
)
def test_the_batch_axis_moves_to_its_place(
    axis: int, given: tuple[int, ...], taken: tuple[int, ...], save: Save
) -> None:
    model = onnx_ood.load(save(small_models.build("m (float[a, b, c] x) => (float[] y) { y = Relu (x) }")))
    fed = find_fed_input(model, model.inputs[0], axis)
    values = np.arange(24.0).reshape(given)
    assert fed.arrange(values).shape == taken
    for i in range(2):
        np.testing.assert_array_equal(np.take(fed.arrange(values), i, axis), values[i])
    assert fed.arrange(values).flags.c_contiguous
    assert fed.shape == tuple("abc"[at] for at in [axis, *(at for at in range(3) if at != axis)])


def test_one_input_goes_without_a_batch_axis(save: Save) -> None:
    model = onnx_ood.load(save(small_models.build("m (float[a, b] x) => (float[] y) { y = Relu (x) }")))
    fed = find_fed_input(model, model.inputs[0], "none")
    values = np.arange(6.0).reshape(1, 2, 3)
    np.testing.assert_array_equal(fed.arrange(values), values[0])
    assert (fed.choice, fed.moved, fed.shape) == ("none", True, (1, "a", "b"))
    assert fed.note == "The model input x has no batch axis (as given); inputs were run one at a time."
    assert replace(fed, batch_axis=0).note == ""
