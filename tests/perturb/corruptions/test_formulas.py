"""Each corruption against its closed form, or against scipy, Pillow and colorsys."""

from __future__ import annotations

import colorsys
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage, stats

from onnx_ood.perturb.corruptions import blurs, digital, filters, weather
from onnx_ood.perturb.corruptions import overlays as damage
from onnx_ood.perturb.corruptions import pixel_noise as grain
from onnx_ood.perturb.corruptions import pseudo_ood as pseudo_ood_augmentations

Picture = NDArray[np.float32]

sides = st.integers(8, 40)
seeds = st.integers(0, 2**32)


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def picture(height: int, width: int, channels: int = 3, seed: int = 1) -> Picture:
    return generator(seed).random((height, width, channels), dtype=np.float32)


def grey(level: float, side: int = 200) -> Picture:
    return np.full((side, side, 3), level, np.float32)


@pytest.mark.parametrize("level", [0.1, 0.5, 1.0])
def test_shot_noise_counts_photons(level: float) -> None:
    counts = grain.shot_noise(grey(level), generator(), 25) * 25
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
    noisy = grain.impulse_noise(grey(0.5), generator(), 0.1)
    count = noisy.size
    for value in (0, 1):
        assert stats.binomtest(int((noisy == value).sum()), count, 0.05).pvalue > 1e-3
    assert ((noisy == 0) | (noisy == 1) | (noisy == 0.5)).all()


def test_speckles_grow_with_brightness() -> None:
    for level in (0.2, 0.8):
        noise = (pseudo_ood_augmentations.speckle_noise(grey(level), generator(), 0.3) - level) / (
            0.3 * level
        )
        assert stats.kstest(noise.ravel()[:5000], "norm").pvalue > 1e-3


@pytest.mark.parametrize(("edges", "mode"), [("edge", "nearest"), ("symmetric", "reflect")])
@pytest.mark.parametrize(("sigma", "reach"), [(0.05, 4), (0.7, 4), (1.5, 4), (3.2, 3)])
def test_gaussian_filter_is_scipys(edges: filters.Edges, mode: str, sigma: float, reach: float) -> None:
    image = picture(23, 9)
    expected = ndimage.gaussian_filter(image.astype(np.float64), (sigma, sigma, 0), mode=mode, truncate=reach)
    np.testing.assert_allclose(filters.gaussian(image, sigma, edges, reach), expected, atol=1e-9)


@pytest.mark.parametrize("radius", [0, 1, 4, 12])
def test_convolution_is_scipys(radius: int) -> None:
    image, kernel = picture(14, 30), generator(2).random((2 * radius + 1, 2 * radius + 1))
    expected = ndimage.convolve(image.astype(np.float64), kernel[..., np.newaxis], mode="mirror")
    np.testing.assert_allclose(filters.convolved(image, kernel), expected, atol=1e-9)


@pytest.mark.parametrize(
    ("radius", "smoothing", "reach"), [(0.3, 0.4, 1), (1.5, 0.1, 1), (3, 0.1, 1), (8, 0.5, 1), (10, 0.5, 2)]
)
def test_defocus_averages_over_a_disk(radius: float, smoothing: float, reach: int) -> None:
    point = np.zeros((61, 61, 1), np.float32)
    point[30, 30] = 1
    rows, columns = np.mgrid[-30:31, -30:31]
    disk = (np.hypot(rows, columns) <= radius).astype(np.float64)
    expected = ndimage.gaussian_filter(disk, smoothing, radius=reach, mode="constant")
    blurred = blurs.defocus_blur(point, generator(), radius, smoothing)[..., 0]
    np.testing.assert_allclose(blurred, expected / disk.sum(), atol=1e-9)
    np.testing.assert_allclose(
        blurs.defocus_blur(grey(0.3, 12), generator(), radius, smoothing), 0.3, atol=1e-6
    )


@pytest.mark.parametrize("angle", [0, 30, -45, 90, -120])
def test_motion_smears_to_one_side(angle: float) -> None:
    image = picture(20, 26)
    kernel = np.zeros((25, 25))
    for k in range(13):
        # Rounded to the nearest, halves down: the place that is read lies in the direction of the angle.
        down, right = (int(np.ceil(k * f(np.deg2rad(angle)) - 0.5)) for f in (np.sin, np.cos))
        kernel[12 + down, 12 + right] += np.exp(-0.5 * (k / 4) ** 2)
    kernel /= kernel.sum()
    expected = ndimage.correlate(image.astype(np.float64), kernel[..., np.newaxis], mode="nearest")
    np.testing.assert_allclose(filters.motion_blurred(image, 6, 4, angle), expected, atol=1e-9)


def test_motion_blur_goes_within_45_degrees_of_the_x_axis() -> None:
    point = np.zeros((41, 41, 1), np.float32)
    point[20, 20] = 1
    slopes = []
    for seed in range(200):
        rows, columns = np.nonzero(blurs.motion_blur(point, generator(seed), 9, 20)[..., 0])
        assert columns.max() == 20
        slopes.append((rows[columns.argmin()] - 20) / (20 - columns.min()))
    assert -1.05 <= min(slopes) < -0.8
    assert 0.8 < max(slopes) <= 1.05


@pytest.mark.parametrize("factor", [1.0, 1.05, 1.31, 2.25, 4.5])
@pytest.mark.parametrize(("height", "width"), [(28, 28), (31, 50), (8, 9), (224, 200)])
def test_zoom_is_scipys(height: int, width: int, factor: float) -> None:
    image = picture(height, width, 1).astype(np.float64)
    cropped = image
    for axis, side in enumerate((height, width)):
        kept = int(np.ceil(side / factor))
        cropped = np.take(cropped, np.arange(kept) + (side - kept) // 2, axis)
    expected = ndimage.zoom(cropped, (factor, factor, 1), order=1)[:height, :width]
    np.testing.assert_allclose(filters.zoomed(image, factor), expected, atol=1e-9)


def test_zoom_blur_counts_the_picture_twice() -> None:
    image = picture(30, 20)
    expected = (2 * image.astype(np.float64) + filters.zoomed(image, 1.1)) / 3
    np.testing.assert_allclose(blurs.zoom_blur(image, generator(), 0.1, 2), expected, atol=1e-6)


@given(sides, sides, st.integers(1, 4), st.integers(1, 3), seeds)
def test_glass_moves_pixels_no_farther_than_it_may(
    height: int, width: int, reach: int, rounds: int, seed: int
) -> None:
    rows, columns = np.mgrid[:height, :width]
    # So little blur that it does nothing: what is left is where pixels come from. A pixel that is copied once more
    # within a round goes on from where it has come to, so only neighbours' differences are bounded, and the rim.
    places = np.stack([rows, columns], axis=-1).astype(np.float32)
    moved = blurs.glass_blur(places, generator(seed), 0.05, reach, 1)
    np.testing.assert_array_equal(moved[: reach + 1], places[: reach + 1])
    np.testing.assert_array_equal(moved[:, : reach + 1], places[:, : reach + 1])
    np.testing.assert_array_equal(moved[height - reach + 1 :], places[height - reach + 1 :])
    again = blurs.glass_blur(places, generator(seed), 0.05, reach, rounds)
    assert {tuple(place) for place in again.reshape(-1, 2)} <= {
        tuple(place) for place in places.reshape(-1, 2)
    }


def test_glass_copies_in_order_from_offsets_of_the_generator() -> None:
    """The loop as it is published, on arrays."""
    image, reach = picture(17, 12, 1).astype(np.float64), 2
    source = generator(4)
    expected = image.copy()
    for _ in range(2):
        down, right = source.integers(-reach, reach, (2, (17 - 2 * reach) * (12 - 2 * reach)))
        step = 0
        for h in range(17 - reach, reach, -1):
            for w in range(12 - reach, reach, -1):
                expected[h, w] = expected[h + down[step], w + right[step]]
                step += 1
    np.testing.assert_allclose(
        blurs.glass_blur(image.astype(np.float32), generator(4), 0.05, reach, 2), expected, atol=1e-6
    )


def test_snow_adds_streaks_that_are_the_same_turned_by_a_half() -> None:
    black = np.zeros((64, 50, 1), np.float32)
    snowy = weather.snow(black, generator(), 0.1, 0.3, 2, 0.5, 10, 4, 1.0)
    np.testing.assert_allclose(snowy, snowy[::-1, ::-1], atol=1e-12)
    assert (snowy > 0).mean() > 0.1
    # Without flakes, what is left is the whitened picture.
    image = picture(20, 30)
    light = image @ np.array([0.299, 0.587, 0.114])
    expected = 0.7 * image + 0.3 * np.maximum(image, (1.5 * light + 0.5)[..., np.newaxis])
    calm = weather.snow(image, generator(), 0, 0.1, 2, 2, 10, 4, 0.7)
    np.testing.assert_allclose(calm, expected, atol=1e-6)


@pytest.mark.parametrize("side", [28, 64, 224])
def test_frost_is_pale_blue_and_about_as_bright_as_photographs_of_it(side: int) -> None:
    black = np.zeros((side, side, 3), np.float32)
    ice = np.stack([weather.frost(black, generator(seed), 1, 1) for seed in range(8)])
    assert 0.5 < ice.mean() < 0.7
    assert 0.1 < ice.std(axis=(1, 2, 3)).mean() < 0.2
    assert (np.diff(ice.mean(axis=(0, 1, 2))) > 0).all()
    alone = weather.frost(black[..., :1], generator(), 1, 1)
    np.testing.assert_allclose(alone[..., 0], ice[0] @ np.array([0.299, 0.587, 0.114]), atol=1e-9)


@pytest.mark.parametrize(("height", "width"), [(28, 28), (33, 50), (128, 128)])
def test_fog_keeps_the_brightest_value_in_range(height: int, width: int) -> None:
    image = 0.8 * picture(height, width)
    foggy = weather.fog(image, generator(), 1.5, 2)
    brightest = float(image.max())
    clear = foggy * (brightest + 1.5) / brightest - image
    # The same fog over all channels, between none and the most.
    np.testing.assert_allclose(clear, np.broadcast_to(clear[..., :1], clear.shape), atol=1e-6)
    assert clear.min() > -1e-6
    assert clear.max() < 1.5 + 1e-6
    assert foggy.max() <= brightest + 1e-6


def test_fog_is_smoother_the_faster_it_decays() -> None:
    black = np.full((128, 128, 1), 1e-6, np.float32)
    rough, smooth = (
        np.stack([weather.fog(black, generator(seed), 1, decay) for seed in range(20)]) for decay in (1.4, 3)
    )
    slope = [np.abs(np.diff(fog, axis=1)).mean() / fog.std() for fog in (rough, smooth)]
    assert slope[0] > 2 * slope[1]


@given(st.tuples(*[st.floats(0, 1, width=32)] * 3), st.floats(0.05, 0.5))
def test_brightness_is_the_value_of_hsv(colour: tuple[float, float, float], more: float) -> None:
    hue, saturation, value = colorsys.rgb_to_hsv(*colour)
    expected = colorsys.hsv_to_rgb(hue, saturation, min(value + more, 1))
    brighter = digital.brightness(np.array(colour, np.float32).reshape(1, 1, 3), generator(), more)
    np.testing.assert_allclose(brighter[0, 0], expected, atol=1e-6)


def test_brightness_of_one_channel_is_a_sum() -> None:
    image = picture(9, 9, 1)
    expected = np.minimum(image.astype(np.float64) + 0.3, 1)
    np.testing.assert_allclose(digital.brightness(image, generator(), 0.3), expected, atol=1e-6)


@given(st.tuples(*[st.floats(0, 1, width=32)] * 3), st.floats(1, 10))
def test_saturating_is_the_saturation_of_hsv(colour: tuple[float, float, float], factor: float) -> None:
    hue, saturation, value = colorsys.rgb_to_hsv(*colour)
    expected = colorsys.hsv_to_rgb(hue, min(saturation * factor, 1), value)
    vivid = pseudo_ood_augmentations.saturate(
        np.array(colour, np.float32).reshape(1, 1, 3), generator(), factor
    )
    np.testing.assert_allclose(vivid[0, 0], expected, atol=1e-5)


def test_contrast_keeps_each_channels_mean() -> None:
    image = picture(16, 20)
    paler = digital.contrast(image, generator(), 0.2)
    np.testing.assert_allclose(paler.mean(axis=(0, 1)), image.mean(axis=(0, 1)), atol=1e-6)
    np.testing.assert_allclose(paler.std(axis=(0, 1)), 0.2 * image.std(axis=(0, 1)), atol=1e-6)


def test_displacing_is_scipys_interpolation() -> None:
    image = picture(15, 22, 1)
    down, right = generator(3).uniform(-40, 40, (2, 15, 22))
    rows, columns = np.mgrid[:15, :22]
    expected = ndimage.map_coordinates(
        image[..., 0].astype(np.float64), [rows + down, columns + right], order=1, mode="reflect"
    )
    np.testing.assert_allclose(filters.displaced(image, down, right)[..., 0], expected, atol=1e-6)


def test_elastic_displacements_have_the_stated_spread() -> None:
    """On a slope, a displacement is the change; through a Gaussian, white noise keeps 1 / (2 √π σ) of its spread."""
    slope = np.repeat(np.arange(200, dtype=np.float32)[:, np.newaxis], 200, axis=1)[..., np.newaxis]
    moved = (digital.elastic_transform(slope, generator(), 0.01, 0.1) - slope)[20:-20, 20:-20]
    expected = 0.1 * 200 / np.sqrt(3) / (2 * np.sqrt(np.pi) * 2)
    assert moved.std() == pytest.approx(expected, rel=0.05)
    assert moved.mean() == pytest.approx(0, abs=0.1)


def test_pixelating_takes_the_mean_of_boxes() -> None:
    image = picture(12, 20)
    boxes = image.reshape(3, 4, 5, 4, 3).mean(axis=(1, 3))
    expected = boxes.repeat(4, axis=0).repeat(4, axis=1)
    np.testing.assert_allclose(digital.pixelate(image, generator(), 0.25), expected, atol=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_is_pillows(channels: int) -> None:
    image = np.round(ndimage.gaussian_filter(picture(30, 44, channels), (2, 2, 0)) * 255).astype(np.uint8)
    file = BytesIO()
    Image.fromarray(image.squeeze()).save(file, "JPEG", quality=20)
    expected = np.asarray(Image.open(file)).reshape(image.shape)
    compressed = digital.jpeg_compression((image / 255).astype(np.float32), generator(), 20)
    np.testing.assert_array_equal(np.round(compressed * 255), expected)
    assert (expected != image).any()


@given(sides, sides, st.floats(0.05, 1), seeds)
def test_an_occlusion_is_one_rectangle_of_its_share(height: int, width: int, share: float, seed: int) -> None:
    image = np.full((height, width, 3), 2, np.float32)  # No colour that is drawn.
    covered = (damage.occlusion(image, generator(seed), share) != 2).all(axis=-1)
    expected = max(1, round(share * height)), max(1, round(share * width))
    rows, columns = np.nonzero(covered)
    assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == expected
    assert covered.sum() == expected[0] * expected[1]


@pytest.mark.parametrize("side", [8, 28, 224])
def test_words_are_of_one_colour_each_and_seen_at_any_size(side: int) -> None:
    image = np.zeros((side, side, 3), np.float32)
    written = damage.text(image, generator(), 1)
    inked = written[written.max(axis=-1) > 0]
    assert 0.01 < len(inked) / side**2 < 0.9
    # Grey levels of one colour: all pixels lie on a line.
    assert np.linalg.matrix_rank(inked, tol=1e-4) == 1
    assert (damage.text(image, generator(), 5) > 0).sum() > (written > 0).sum()


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 16), seeds)
def test_shuffling_moves_no_more_patches_than_it_may(
    rows: int, columns: int, patches: int, seed: int
) -> None:
    image = picture(4 * rows, 4 * columns)
    shuffled = damage.patch_shuffle(image, generator(seed), patches)

    def cut(whole: Picture) -> list[bytes]:
        parts = whole.reshape(4, rows, 4, columns, 3).transpose(0, 2, 1, 3, 4).reshape(16, -1)
        return [part.tobytes() for part in parts]

    assert sorted(cut(shuffled)) == sorted(cut(image))
    assert sum(a != b for a, b in zip(cut(shuffled), cut(image), strict=True)) <= patches


def test_posterizing_leaves_so_many_levels() -> None:
    ramp = np.linspace(0, 1, 300, dtype=np.float32).reshape(10, 30, 1)
    for levels in (2, 3, 8):
        values, counts = np.unique(
            pseudo_ood_augmentations.posterize(ramp, generator(), levels), return_counts=True
        )
        np.testing.assert_allclose(values, np.arange(levels) / (levels - 1), atol=1e-6)
        assert np.ptp(counts) <= 1


def test_inverting_solarizing_and_darkening_by_hand() -> None:
    image = np.array([[[0.0], [0.2]], [[0.5], [0.8]]], np.float32)
    inverted = [1.0, 0.8, 0.5, 0.2]
    np.testing.assert_allclose(
        pseudo_ood_augmentations.invert(image, generator()).ravel(), inverted, atol=1e-7
    )
    np.testing.assert_allclose(
        pseudo_ood_augmentations.solarize(image, generator(), 0.5).ravel(), [0, 0.2, 0.5, 0.2], atol=1e-7
    )
    np.testing.assert_allclose(
        pseudo_ood_augmentations.darker(image, generator(), 0.5).ravel(), [0, 0.1, 0.25, 0.4], atol=1e-7
    )


def test_channels_are_swapped_in_all_five_ways() -> None:
    image = np.array([0.1, 0.2, 0.3], np.float32).reshape(1, 1, 3)
    drawn = {
        tuple(pseudo_ood_augmentations.channel_swap(image, generator(seed)).ravel().tolist())
        for seed in range(60)
    }
    assert len(drawn) == 5
    assert all(sorted(order) == image.ravel().tolist() for order in drawn)
    assert tuple(image.ravel().tolist()) not in drawn


@given(sides, sides, seeds)
def test_a_mosaic_turns_every_quarter_in_its_place(height: int, width: int, seed: int) -> None:
    image = picture(height, width)
    turned = pseudo_ood_augmentations.mosaic(image, generator(seed))
    h, w = height // 2, width // 2
    for row in (0, h):
        for column in (0, w):
            before, after = (part[row : row + h, column : column + w] for part in (image, turned))
            turns = [k for k in range(4) if np.array_equal(np.rot90(before, k), after)]
            assert len(turns) == 1
            assert turns[0] in ({1, 2, 3} if h == w else {2})
    np.testing.assert_array_equal(turned[2 * h :], image[2 * h :])
    np.testing.assert_array_equal(turned[:, 2 * w :], image[:, 2 * w :])


@given(sides, sides, seeds)
def test_halves_are_swapped_along_one_axis(height: int, width: int, seed: int) -> None:
    image = picture(height, width)
    swapped = pseudo_ood_augmentations.halves_swapped(image, generator(seed))
    expected = []
    for axis in (0, 1):
        side = image.shape[axis]
        first, middle, last = np.split(image, [side // 2, side - side // 2], axis)
        expected.append(np.concatenate([last, first, middle], axis))
    assert any(np.array_equal(swapped, one) for one in expected)


def test_upside_down_is_two_right_angles() -> None:
    image = picture(9, 14)
    np.testing.assert_array_equal(
        pseudo_ood_augmentations.upside_down(image, generator()), np.rot90(image, 2)
    )


@given(st.integers(14, 40), st.integers(14, 40), st.integers(2, 7), seeds)
def test_grids_have_so_many_lines_in_each_direction(height: int, width: int, lines: int, seed: int) -> None:
    image = np.full((height, width, 3), 2, np.float32)  # No colour that is drawn.
    drawn = (pseudo_ood_augmentations.grid_lines(image, generator(seed), lines) != 2).all(axis=-1)
    across, down = drawn.all(axis=1), drawn.all(axis=0)
    assert (across.sum(), down.sum()) == (lines, lines)
    np.testing.assert_array_equal(drawn, across[:, np.newaxis] | down)
