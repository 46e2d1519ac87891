"""Pixel noise against the distributions of its formulas."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_pictures import generator, grey
from scipy import stats

from onnx_ood.perturb import find_corruption
from onnx_ood.perturb.corruptions import pixel_noise


@pytest.mark.parametrize("level", [0.1, 0.5, 1.0])
def test_shot_noise_counts_photons(level: float) -> None:
    counts = pixel_noise.shot_noise(grey(level), generator(), 25) * 25
    np.testing.assert_allclose(counts, np.rint(counts), atol=1e-9)
    few, many = np.arange(0, 60), 25 * level
    seen = np.bincount(np.rint(counts).astype(int).ravel(), minlength=60)[:60]
    expected = stats.poisson.pmf(few, np.float32(many)) * counts.size
    common = expected > 5
    assert (
        stats.chisquare(seen[common], expected[common] * seen[common].sum() / expected[common].sum()).pvalue
        > 1e-3
    )


def test_impulses_hit_the_given_share_half_of_them_black() -> None:
    noisy = pixel_noise.impulse_noise(grey(0.5), generator(), 0.1)
    count = noisy.size
    for value in (0, 1):
        assert stats.binomtest(int((noisy == value).sum()), count, 0.05).pvalue > 1e-3
    assert ((noisy == 0) | (noisy == 1) | (noisy == 0.5)).all()


gaussian_noise = find_corruption("gaussian_noise").at("demo")


def test_noise_has_the_stated_spread_and_no_colour() -> None:
    grey = np.full((200, 200, 3), 0.5, np.float32)
    noise = (gaussian_noise(grey, generator()) - grey).astype(np.float64)
    count = noise.size
    assert abs(noise.mean()) < 4 * 0.1 / np.sqrt(count)
    assert noise.std() == pytest.approx(0.1, abs=4 * 0.1 / np.sqrt(2 * count))
    assert stats.kstest(noise.ravel()[:5000] / 0.1, "norm").pvalue > 1e-3
    channels = np.corrcoef(noise.reshape(-1, 3).T)
    assert np.abs(channels - np.eye(3)).max() < 0.03


def test_noise_is_clipped_where_it_would_leave_the_range() -> None:
    white = gaussian_noise(np.ones((100, 100, 1), np.float32), generator())
    assert (white == 1).mean() == pytest.approx(0.5, abs=0.03)
