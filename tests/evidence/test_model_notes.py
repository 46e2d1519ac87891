"""Notes on models whose outputs depend on more than the input."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import small_models

import onnx_ood
from onnx_ood.evidence.model_notes import randomness_notes, stored_randomness_notes


def test_random_models_are_noted_with_their_operators(save: Callable[..., Path]) -> None:
    assert randomness_notes(()) == ()
    (note,) = randomness_notes(("Bernoulli", "Multinomial"))
    assert "different outputs for the same input (Bernoulli, Multinomial)" in note
    noisy = small_models.build(
        "n (float[N, 4] x) => (float[N, 4] y) { e = RandomNormalLike (x) y = Add (x, e) }"
    )
    (stored,) = stored_randomness_notes(onnx_ood.load(save(noisy)))
    assert "(RandomNormalLike)" in stored
    assert stored_randomness_notes(onnx_ood.load(save(small_models.classifier()))) == ()
