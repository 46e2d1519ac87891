import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError

from onnx_ood.exceptions import InputError, UsageError
from onnx_ood.inputs import Preprocessing, read_image

IMAGENET: dict[str, Any] = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


def made(**changes: Any) -> Preprocessing:
    fields: dict[str, Any] = {"channels": "RGB", "layout": "NCHW", "size": (8, 6), "resize": "stretch"}
    return Preprocessing(**fields | changes)


def picture(width: int, height: int, seed: int = 0) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


# --- geometry --------------------------------------------------------------------------------------------


def torchvision_size(width: int, height: int, size: int) -> tuple[int, int]:
    """The published rule of torchvision.transforms.Resize(int), as (width, height).

    "If size is an int, smaller edge of the image will be matched to this number", and in
    `_compute_resized_output_size`: `new_long = int(size * long / short)`.
    """
    short, long = (width, height) if width <= height else (height, width)
    new_short, new_long = size, int(size * long / short)
    return (new_short, new_long) if width <= height else (new_long, new_short)


def torchvision_corner(image_size: int, crop_size: int) -> int:
    """The published rule of torchvision.transforms.CenterCrop: `int(round((image - crop) / 2.0))`."""
    return int(round((image_size - crop_size) / 2.0))  # noqa: RUF046


@settings(max_examples=150, deadline=None)
@given(
    width=st.integers(1, 60),
    height=st.integers(1, 60),
    size=st.tuples(st.integers(1, 24), st.integers(1, 24)),
    larger=st.integers(0, 20),
    interpolation=st.sampled_from(["nearest", "bilinear", "bicubic", "lanczos"]),
)
def test_short_side_then_centre_is_torchvision_s(
    width: int, height: int, size: tuple[int, int], larger: int, interpolation: str
) -> None:
    resize_to = max(size) + larger
    image = picture(width, height)
    got = made(size=size, resize="short-side", resize_to=resize_to, interpolation=interpolation).pixels(image)

    if min(width, height) != resize_to:
        image = image.resize(
            torchvision_size(width, height, resize_to), getattr(Image.Resampling, interpolation.upper())
        )
    top, left = torchvision_corner(image.height, size[0]), torchvision_corner(image.width, size[1])
    by_hand = np.asarray(image)[top : top + size[0], left : left + size[1]].astype(np.float32) / np.float32(
        255
    )
    np.testing.assert_array_equal(got, by_hand.transpose(2, 0, 1))


def test_the_numbers_everyone_knows() -> None:
    imagenet = made(size=(224, 224), resize="short-side")
    assert imagenet.resize_to == 256
    assert made(size=(299, 299), resize="short-side").resize_to == 342  # torchvision's Inception v3
    assert made(size=(160, 224), resize="short-side").resize_to == 256
    # A ramp across 512 x 256: nothing to resize, and the middle 224 columns start at 144.
    ramp = np.broadcast_to((np.arange(512) // 2).astype(np.uint8)[None, :, None], (256, 512, 3))
    got = imagenet.pixels(Image.fromarray(np.ascontiguousarray(ramp)))
    np.testing.assert_array_equal(got[0, 0], (np.arange(144, 368) // 2).astype(np.float32) / np.float32(255))


@pytest.mark.parametrize("length", range(1, 1200, 7))
def test_the_default_short_side_is_256_over_224_to_the_nearest(length: int) -> None:
    got = made(size=(length, 1), resize="short-side").resize_to
    assert got is not None
    assert abs(got - length * 256 / 224) <= 0.5


def test_halves_are_cut_to_the_even_side() -> None:
    # 5 - 2 = 3, half of it 1.5 -> 2; 7 - 2 = 5 -> 2.5 -> 2.
    square = np.zeros((5, 7, 3), np.uint8)
    square[2:4, 2:4] = 255
    got = made(size=(2, 2), resize="short-side", resize_to=5).pixels(Image.fromarray(square))
    assert got.min() == 1


def test_stretch_by_whole_factors_repeats_pixels() -> None:
    small = np.asarray(picture(3, 4))
    got = made(layout="NHWC", size=(8, 9), interpolation="nearest").pixels(Image.fromarray(small))
    np.testing.assert_array_equal(np.rint(got * 255), np.kron(small, np.ones((2, 3, 1))))


def test_shrinking_bilinearly_averages_with_a_triangle() -> None:
    # By 4, antialiased: each output is the mean under a triangle of half-width 4 around its centre.
    row = np.random.default_rng(5).integers(0, 256, 32).astype(np.uint8)
    image = Image.fromarray(np.ascontiguousarray(np.broadcast_to(row[None, :, None], (4, 32, 3))))
    got = made(layout="NHWC", size=(4, 8)).pixels(image)[0, :, 0] * 255
    expected = []
    for index in range(8):
        weights = np.maximum(0, 1 - abs(np.arange(32) + 0.5 - (index + 0.5) * 4) / 4)
        expected.append((weights * row).sum() / weights.sum())
    np.testing.assert_allclose(got, expected, atol=1)


def test_none_wants_the_exact_size_and_names_both() -> None:
    exact = made(size=(4, 5), resize="none")
    assert exact.pixels(picture(5, 4)).shape == (3, 4, 5)
    with pytest.raises(InputError, match=r"is 4x5 pixels \(width x height\), but exactly 5x4 is expected; "):
        exact.pixels(picture(4, 5))


def test_a_thread_of_a_picture_does_not_fill_the_memory() -> None:
    thin = Image.new("RGB", (2_000_000, 1))
    with pytest.raises(InputError, match=r"is 2000000x1 pixels, too long and thin .* crop it first"):
        made(size=(224, 224), resize="short-side").pixels(thin)


# --- values ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("channels", ["RGB", "BGR"])
def test_channels_and_layout(layout: str, channels: str) -> None:
    colours = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    prepared = made(size=(4, 5), resize="none", layout=layout, channels=channels)
    got = prepared.pixels(Image.fromarray(colours))
    assert got.dtype == np.float32
    assert got.flags.c_contiguous
    assert got.shape == prepared.shape
    for y in range(4):
        for x in range(5):
            for c in range(3):
                value = colours[y, x, c if channels == "RGB" else 2 - c] / 255
                assert got[(c, y, x) if layout == "NCHW" else (y, x, c)] == np.float32(value)


def test_grey_has_one_channel() -> None:
    image = Image.fromarray(np.array([[0, 51], [102, 255]], np.uint8))
    got = made(channels="L", size=(2, 2)).pixels(image)
    np.testing.assert_array_equal(got, np.array([[[0, 0.2], [0.4, 1]]], np.float32))
    assert made(channels="L", layout="NHWC", size=(2, 2)).pixels(image).shape == (2, 2, 1)


def test_imagenet_normalisation_of_known_values() -> None:
    image = Image.new("RGB", (6, 8), (255, 0, 128))
    got = made(**IMAGENET).normalise(made(**IMAGENET).pixels(image))
    expected = [(1 - 0.485) / 0.229, (0 - 0.456) / 0.224, (128 / 255 - 0.406) / 0.225]
    assert got.dtype == np.float32
    np.testing.assert_allclose(got[:, 3, 3], expected, rtol=1e-6)


def test_every_byte_comes_back_exactly_from_the_bytes_range() -> None:
    every = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16))
    to_bytes = made(channels="L", size=(16, 16), std=(1 / 255,))
    np.testing.assert_array_equal(to_bytes.normalise(to_bytes.pixels(every)).ravel(), np.arange(256))


numbers = st.floats(-3, 3, width=32)
spreads = st.floats(2**-7, 8, width=32)
settings_of_values = st.tuples(
    st.sampled_from(["NCHW", "NHWC"]),
    st.lists(numbers, min_size=3, max_size=3) | st.lists(numbers, min_size=1, max_size=1),
    st.lists(spreads, min_size=3, max_size=3) | st.lists(spreads, min_size=1, max_size=1),
)


@settings(deadline=None)
@given(settings_of_values, st.integers(0, 2**32 - 1), st.lists(st.integers(1, 3), max_size=2))
def test_denormalise_undoes_normalise(
    values: tuple[str, list[float], list[float]], seed: int, axes: list[int]
) -> None:
    layout, mean, std = values
    prepared = made(layout=layout, mean=mean, std=std, size=(4, 5))
    pixels = np.random.default_rng(seed).random((*axes, *prepared.shape), np.float32)
    back = prepared.denormalise(prepared.normalise(pixels))
    assert back.dtype == np.float32
    assert back.shape == pixels.shape
    # Four roundings, each of at most half a unit in the last place of the largest number involved.
    np.testing.assert_allclose(back, pixels, rtol=0, atol=4 * 2**-24 * (1 + max(map(abs, mean))) * 1.01)


@settings(deadline=None)
@given(settings_of_values, st.integers(0, 2**32 - 1))
def test_gain_is_the_slope_of_normalise(values: tuple[str, list[float], list[float]], seed: int) -> None:
    layout, mean, std = values
    prepared = made(layout=layout, mean=mean, std=std, size=(4, 5))
    pixels = np.random.default_rng(seed).random(prepared.shape)
    slope = prepared.normalise(pixels + 1).astype(float) - prepared.normalise(pixels)
    gain = prepared.gain
    assert gain.dtype == np.float32
    assert gain.size == 3
    # Two tensors of at most (2 + |mean|) / std and the gain itself, each rounded to float32.
    rounding = 2**-24 * (2 * (2 + max(map(abs, mean))) + 1) / min(std)
    np.testing.assert_allclose(np.broadcast_to(gain, pixels.shape), slope, rtol=0, atol=rounding)
    axis = 0 if layout == "NCHW" else 2
    for c, deviation in enumerate(std if len(std) == 3 else std * 3):
        np.testing.assert_allclose(
            np.take(np.broadcast_to(gain, pixels.shape), c, axis), 1 / deviation, rtol=2e-7
        )


def test_tensor_is_all_of_it(tmp_path: Path) -> None:
    image = picture(40, 30)
    image.save(tmp_path / "x.png")
    prepared = made(size=(16, 16), resize="short-side", **IMAGENET)
    resized = image.resize((int(18 * 40 / 30), 18), Image.Resampling.BILINEAR).crop((4, 1, 20, 17))
    by_hand = (np.asarray(resized).astype(np.float64) / 255 - IMAGENET["mean"]) / IMAGENET["std"]
    np.testing.assert_allclose(prepared.tensor(tmp_path / "x.png"), by_hand.transpose(2, 0, 1), atol=1e-6)


def test_errors_of_tensor_name_the_file(tmp_path: Path) -> None:
    picture(40, 30).save(tmp_path / "x.png")
    with pytest.raises(InputError, match=rf"^{tmp_path.as_posix()}/x.png: is 40x30 pixels"):
        made(resize="none").tensor(tmp_path / "x.png")


# --- the model -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"channels": "RGBA"}, "channels"),
        ({"layout": "HWC"}, "layout"),
        ({"size": (0, 5)}, "greater than or equal to 1"),
        ({"size": (20000, 20000)}, "over the limit of 100,000,000 pixels"),
        ({"size": (5,)}, "size"),
        ({"resize_to": 9}, "has no effect with resize 'stretch'"),
        ({"resize": "short-side", "resize_to": 7}, "is 7, too small to crop 8 pixels"),
        ({"mean": (0.1, 0.2)}, "mean has 2 values; RGB takes one or 3"),
        ({"channels": "L", "std": (1, 1, 1)}, "std has 3 values; L takes one"),
        ({"std": (0,)}, "std"),
        ({"std": (-1,)}, "std"),
        ({"std": (math.nan,)}, "finite"),
        ({"mean": (math.inf,)}, "finite"),
        ({"mean": ()}, "mean has 0 values"),
        ({"bogus": 1}, "bogus"),
    ],
)
def test_what_makes_no_sense_is_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        made(**changes)


def test_it_is_a_value() -> None:
    a = made(resize="short-side", size=(224, 224))
    assert a == made(resize="short-side", size=(224, 224), resize_to=256)
    assert hash(a) == hash(made(resize="short-side", size=(224, 224), resize_to=256))
    assert Preprocessing.model_validate_json(a.model_dump_json()) == a
    with pytest.raises(ValidationError):
        a.size = (1, 1)  # type: ignore[misc]


def test_it_describes_itself_in_a_line() -> None:
    assert made(resize="short-side", size=(224, 160), **IMAGENET).describe() == (
        "RGB, short side to 256 (bilinear), centre 224x160, "
        "mean 0.485 0.456 0.406, std 0.229 0.224 0.225, NCHW"
    )
    assert made(interpolation="lanczos").describe() == "RGB, stretched to 8x6 (lanczos), mean 0, std 1, NCHW"
    assert made(resize="none", layout="NHWC").describe() == "RGB, exactly 8x6, mean 0, std 1, NHWC"


@pytest.mark.parametrize("shape", [["N", 3, 8, 6], [1, 3, "H", None], [None, "c", -1, 0]])
def test_inputs_it_suits(shape: list[int | str | None]) -> None:
    made().check_input(shape)


@pytest.mark.parametrize(
    "shape", [["N", 1, 8, 6], ["N", 3, 6, 8], ["N", 8, 6, 3], ["N", 3, 8], [], [3, 8, 6]]
)
def test_inputs_it_does_not_suit(shape: list[int | str | None]) -> None:
    text = ",".join(map(str, shape))
    with pytest.raises(
        UsageError, match=rf"gives \[N,3,8,6\], but the model takes \[{text}\]; choose another"
    ):
        made().check_input(shape)


# --- draft -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "least"),
    [
        ({"resize": "stretch"}, 16),
        ({"resize": "short-side", "resize_to": 11}, 22),
        ({"resize": "none", "size": (96, 160)}, None),
    ],
)
def test_a_draft_is_at_least_twice_as_large_as_what_it_is_resized_to(
    tmp_path: Path, changes: dict[str, Any], least: int | None
) -> None:
    path = tmp_path / "x.jpg"
    picture(160, 96).save(path, quality=95)
    draft, full = made(decode="draft", **changes), made(**changes)
    np.testing.assert_array_equal(
        draft.tensor(path), full.normalise(full.pixels(read_image(path, "RGB", min_side=least)))
    )
    assert (draft.tensor(path) == full.tensor(path)).all() == (least is None)
    assert ("JPEGs in draft" in draft.describe(), "draft" in full.describe()) == (True, False)


def test_a_picture_that_is_small_already_is_the_same_in_draft(tmp_path: Path) -> None:
    path = tmp_path / "x.jpg"
    picture(31, 31).save(path)
    np.testing.assert_array_equal(made(decode="draft").tensor(path), made().tensor(path))
