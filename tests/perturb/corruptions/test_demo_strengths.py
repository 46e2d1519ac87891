"""Corruptions of the demo and synthetic pictures, against references that share no code with them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage, stats

from onnx_ood.perturb import find_corruption, list_corruptions, synthetic_ood
from onnx_ood.perturb.corruptions.overlays import scribble
from onnx_ood.perturb.corruptions.synthetic_ood import constant, pink_noise, uniform_noise

gaussian_noise = find_corruption("gaussian_noise").at("demo")
gaussian_blur = find_corruption("gaussian_blur").at("demo")
contrast = find_corruption("contrast").at("demo")
patch_shuffle = find_corruption("patch_shuffle").at("demo")

Picture = NDArray[np.float32]

shapes = st.tuples(
    st.integers(4, 20), st.integers(4, 20), st.sampled_from([1, 3])
) | st.tuples(st.integers(0, 3), st.integers(4, 20), st.integers(4, 20), st.sampled_from([1, 3]))  # fmt: skip
seeds = st.integers(0, 2**32)


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def picture(*shape: int, seed: int = 1) -> Picture:
    return generator(seed).random(shape, dtype=np.float32)


@given(shapes, seeds, st.sampled_from(list_corruptions("demo")))
def test_every_alteration_keeps_shape_and_range_and_its_input(
    shape: tuple[int, ...], seed: int, name: str
) -> None:
    image = picture(*shape, seed=seed)
    before = image.copy()
    altered = find_corruption(name).at("demo")(image, generator(seed))
    assert (altered.shape, altered.dtype) == (shape, np.float32)
    assert ((altered >= 0) & (altered <= 1)).all()
    np.testing.assert_array_equal(image, before)
    assert not np.shares_memory(altered, image)
    np.testing.assert_array_equal(find_corruption(name).at("demo")(image, generator(seed)), altered)


@given(shapes, seeds, st.sampled_from(sorted(synthetic_ood())))
def test_every_control_fills_the_shape_within_range(shape: tuple[int, ...], seed: int, name: str) -> None:
    drawn = synthetic_ood()[name](shape, generator(seed))
    assert (drawn.shape, drawn.dtype) == (shape, np.float32)
    assert ((drawn >= 0) & (drawn <= 1)).all()
    np.testing.assert_array_equal(synthetic_ood()[name](list(shape), generator(seed)), drawn)


@pytest.mark.parametrize("name", ["gaussian_noise", "scribble", "patch_shuffle"])
def test_random_alterations_follow_the_generator_and_differ_between_pictures(name: str) -> None:
    batch = np.repeat(picture(1, 24, 24, 3), 2, axis=0)
    first, second = find_corruption(name).at("demo")(batch, generator(0))
    assert (first != second).any()
    assert (find_corruption(name).at("demo")(batch, generator(1))[0] != first).any()


@pytest.mark.parametrize("name", ["gaussian_blur", "contrast"])
def test_the_others_draw_nothing_and_treat_each_picture_alone(name: str) -> None:
    batch = picture(3, 24, 18, 3)
    source = generator(5)
    state = source.bit_generator.state
    altered = find_corruption(name).at("demo")(batch, source)
    assert source.bit_generator.state == state
    for image, result in zip(batch, altered, strict=True):
        np.testing.assert_array_equal(find_corruption(name).at("demo")(image, source), result)


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


@pytest.mark.parametrize(
    ("height", "width", "channels"), [(64, 64, 3), (40, 90, 1), (224, 200, 3), (16, 5, 3), (4, 200, 1)]
)
def test_blur_is_scipys_gaussian_filter(height: int, width: int, channels: int) -> None:
    image = picture(height, width, channels)
    sigma = 0.0375 * min(height, width)
    expected = ndimage.gaussian_filter(
        image.astype(np.float64), (sigma, sigma, 0), mode="reflect", truncate=4
    )
    np.testing.assert_allclose(gaussian_blur(image, generator()), expected, atol=1e-6)


def test_blur_leaves_a_constant_alone() -> None:
    grey = np.full((50, 30, 3), 0.3, np.float32)
    np.testing.assert_allclose(gaussian_blur(grey, generator()), grey, atol=1e-7)


@given(shapes.filter(lambda shape: shape[0] > 0), seeds)
def test_contrast_keeps_the_mean_and_shrinks_the_spread_to_three_tenths(
    shape: tuple[int, ...], seed: int
) -> None:
    image = picture(*shape, seed=seed)
    altered = contrast(image, generator())
    axes = (-3, -2, -1)
    np.testing.assert_allclose(altered.mean(axes), image.mean(axes), atol=1e-6)
    np.testing.assert_allclose(altered.std(axes), 0.3 * image.std(axes), atol=1e-6)


def test_contrast_by_hand() -> None:
    image = np.array([[[0.0], [1.0]], [[0.5], [0.5]]], np.float32)
    expected = np.array([[[0.35], [0.65]], [[0.5], [0.5]]])
    np.testing.assert_allclose(contrast(image, generator()), expected, atol=1e-7)


@pytest.mark.parametrize("seed", range(8))
def test_scribbling_adds_up_to_three_connected_strokes_of_one_colour_each(seed: int) -> None:
    image = np.full((112, 160, 3), 2.0, np.float32)  # No colour that is drawn.
    scribbled = scribble(image, generator(seed), 3)
    covered = (scribbled != 2).all(axis=-1)
    assert ((scribbled == 2).all(axis=-1) | covered).all()
    colours, counts = np.unique(scribbled[covered], axis=0, return_counts=True)
    assert 1 <= len(colours) <= 3
    assert 0.03 < covered.mean() < 0.4
    assert counts.max() > 0.15 * 112 * 0.06 * 112
    _, parts = ndimage.label(covered, structure=np.ones((3, 3)))
    assert parts <= 3
    # Thick: something is left after eroding by less than half the width of 7 pixels.
    assert ndimage.binary_erosion(covered, iterations=2).any()
    assert not ndimage.binary_erosion(covered, iterations=16).any()


@given(
    st.tuples(st.integers(1, 6), st.integers(1, 6)).map(lambda sides: (4 * sides[0], 4 * sides[1], 3)), seeds
)
def test_shuffling_permutes_whole_patches(shape: tuple[int, int, int], seed: int) -> None:
    image = picture(*shape)
    shuffled = patch_shuffle(image, generator(seed))

    def patches(pixels: Picture) -> list[bytes]:
        rows = [part for row in np.split(pixels, 4, axis=0) for part in np.split(row, 4, axis=1)]
        return sorted(np.ascontiguousarray(part).tobytes() for part in rows)

    assert patches(shuffled) == patches(image)


def test_shuffling_leaves_the_rest_of_uneven_sides_in_place() -> None:
    image = picture(11, 14, 3)
    shuffled = patch_shuffle(image, generator())
    np.testing.assert_array_equal(shuffled[8:], image[8:])
    np.testing.assert_array_equal(shuffled[:, 12:], image[:, 12:])
    np.testing.assert_array_equal(np.sort(shuffled.ravel()), np.sort(image.ravel()))
    assert (shuffled[:8, :12] != image[:8, :12]).any()


def test_shuffling_reaches_every_place() -> None:
    """Each patch goes to each of the 16 places equally often, up to chance."""
    numbered = np.arange(16, dtype=np.float32).reshape(4, 4, 1) / 16
    drawn = patch_shuffle(np.repeat(numbered[None], 4000, axis=0), generator())
    first = np.argmin(drawn.reshape(4000, 16), axis=1)
    assert stats.chisquare(np.bincount(first, minlength=16)).pvalue > 1e-3


def test_shuffling_refuses_what_has_no_sixteen_patches() -> None:
    with pytest.raises(ValueError, match="at least 4 pixels"):
        patch_shuffle(picture(3, 8, 1), generator())


def spectral_slope(noise: NDArray[np.floating]) -> float:
    """Slope of log power over log frequency, from the radial average of one channel's periodogram."""
    side = noise.shape[0]
    power = np.abs(np.fft.fft2(noise - noise.mean())) ** 2
    radius = np.hypot(*np.meshgrid(np.fft.fftfreq(side) * side, np.fft.fftfreq(side) * side))
    rings = np.arange(3, side // 2)
    means = ndimage.mean(power, np.rint(radius), rings)
    return float(stats.linregress(np.log(rings), np.log(means)).slope)


def test_pink_noise_has_power_that_falls_with_the_square_of_frequency() -> None:
    noise = pink_noise((8, 128, 128, 1), generator())
    slopes = [spectral_slope(image[..., 0]) for image in noise]
    assert np.mean(slopes) == pytest.approx(-2, abs=0.1)
    white = uniform_noise((8, 128, 128, 1), generator())
    assert np.mean([spectral_slope(image[..., 0]) for image in white]) == pytest.approx(0, abs=0.1)


def test_pink_noise_fills_the_range_in_every_channel() -> None:
    noise = pink_noise((4, 32, 20, 3), generator())
    np.testing.assert_array_equal(noise.min(axis=(1, 2)), 0)
    np.testing.assert_array_equal(noise.max(axis=(1, 2)), 1)


def test_pink_noise_needs_two_pixels() -> None:
    with pytest.raises(ValueError, match="two pixels"):
        pink_noise((1, 1, 3), generator())


def test_uniform_noise_is_uniform() -> None:
    assert stats.kstest(uniform_noise((60, 60, 3), generator()).ravel(), "uniform").pvalue > 1e-3


def test_a_constant_is_one_colour_a_picture() -> None:
    drawn = constant((500, 6, 5, 3), generator())
    np.testing.assert_array_equal(drawn, np.broadcast_to(drawn[:, :1, :1], drawn.shape))
    assert stats.kstest(drawn[:, 0, 0].ravel(), "uniform").pvalue > 1e-3
    drawn[0, 0, 0] = 7  # Writable, and no view: one pixel is one pixel.
    assert (drawn == 7).sum() == 3


@pytest.mark.parametrize("name", list_corruptions("demo"))
def test_pictures_that_are_not_floats_are_refused(name: str) -> None:
    with pytest.raises(TypeError, match="uint8"):
        find_corruption(name).at("demo")(np.zeros((8, 8, 3), np.uint8), generator())  # type: ignore[arg-type]


@pytest.mark.parametrize("name", list_corruptions("demo"))
def test_pictures_without_a_channel_axis_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"\[H, W, C\]"):
        find_corruption(name).at("demo")(np.zeros((8, 8), np.float32), generator())


@pytest.mark.parametrize("name", sorted(synthetic_ood()))
def test_shapes_without_a_channel_axis_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"\[H, W, C\]"):
        synthetic_ood()[name]((8, 8), generator())
