"""The nudge of the published recipe, against a transcription of its formula."""

from __future__ import annotations

import numpy as np
import pytest

from onnx_ood.perturb import draw, lesswrong_nudges


def published(x: np.ndarray, xi: np.ndarray) -> np.ndarray:
    """x' = x + ξ·‖x‖·1e-5, then scaled so that ‖x'‖ = ‖x‖; one input, as the post has it."""
    norm = np.linalg.norm(x.ravel())
    moved = x + xi * (norm * 1e-5)
    return moved * (norm / np.linalg.norm(moved.ravel()))


def images(count: int) -> np.ndarray:
    """Inputs the size of the recipe's, normalised."""
    return np.random.default_rng(0).standard_normal((count, 3, 224, 224)).astype(np.float32)


def degrees(a: np.ndarray, b: np.ndarray) -> float:
    u, v = (w.ravel() / np.linalg.norm(w.ravel()) for w in (a, b))
    return float(np.degrees(2 * np.arctan2(np.linalg.norm(u - v), np.linalg.norm(u + v))))


def test_it_is_the_published_formula() -> None:
    batch = images(2).astype(np.float64)[:, :, :32, :32] * np.array([1.0, 40.0])[:, None, None, None]
    noise = draw("gaussian", (3, 32, 32), 3, seed=4)
    found = lesswrong_nudges(batch, copies=3, seed=4)
    assert found.shape == (2, 3, 3, 32, 32)
    for i in range(2):
        for k in range(3):
            np.testing.assert_allclose(
                batch[i] + found[i, k], published(batch[i], noise[k]), rtol=1e-12, atol=1e-13
            )


def test_it_has_the_published_size() -> None:
    batch = images(2)
    found = lesswrong_nudges(batch, copies=1, seed=6)
    for i in range(2):
        x, nudge = batch[i].astype(np.float64), found[i, 0]
        assert np.linalg.norm(nudge.ravel()) / np.linalg.norm(x.ravel()) == pytest.approx(0.0039, abs=5e-5)
        assert degrees(x, x + nudge) == pytest.approx(0.22, abs=0.005)


def test_the_norm_stays() -> None:
    batch = images(1)
    moved = batch.astype(np.float64)[:, None] + lesswrong_nudges(batch, copies=2, seed=1)
    norm = np.linalg.norm(batch.astype(np.float64).ravel())
    np.testing.assert_allclose(np.linalg.norm(moved.reshape(2, -1), axis=1), norm, rtol=1e-13)


def test_a_copy_is_the_same_however_many_there_are() -> None:
    batch = images(1)[:, :, :8, :8]
    np.testing.assert_array_equal(
        lesswrong_nudges(batch, copies=2, seed=3), lesswrong_nudges(batch, copies=4, seed=3)[:, :2]
    )


def test_an_input_is_nudged_the_same_whatever_its_company() -> None:
    batch = images(3)[:, :, :8, :8]
    np.testing.assert_array_equal(lesswrong_nudges(batch, 2, 3)[1], lesswrong_nudges(batch[1:2], 2, 3)[0])


def test_a_blank_input_stays_as_it_is() -> None:
    assert not lesswrong_nudges(np.zeros((2, 3, 4), np.float32), copies=2, seed=0).any()


def test_inputs_of_float16_do_not_overflow_their_norm() -> None:
    batch = np.full((1, 100), 60_000, np.float16)
    assert np.isfinite(lesswrong_nudges(batch, copies=1, seed=0)).all()
