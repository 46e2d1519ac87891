from typing import Any

import numpy as np
import pytest
from PIL import Image

from onnx_ood.exceptions import UsageError
from onnx_ood.inputs import PRESETS, Preprocessing, guess, parse
from onnx_ood.inputs.preprocessing.presets import crop_note

PICTURE = ["N", 3, 224, 224]
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def test_imagenet_is_what_it_is_for_everybody() -> None:
    assert parse("imagenet", PICTURE) == Preprocessing(
        channels="RGB", layout="NCHW", size=(224, 224), resize="short-side", resize_to=256,
        interpolation="bilinear", mean=MEAN, std=STD,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("preset", "low", "high", "resize"),
    [
        ("inception", -1, 1, "short-side"),
        ("tf", -1, 1, "short-side"),
        ("symmetric", -1, 1, "stretch"),
        ("unit", 0, 1, "stretch"),
        ("bytes", 0, 255, "stretch"),
    ],
)
@pytest.mark.parametrize("shape", [PICTURE, ["N", 1, 28, 28], ["N", 32, 32, 3]])
def test_ranges_of_presets(preset: str, low: float, high: float, resize: str, shape: list[Any]) -> None:
    made = parse(preset, shape)
    assert made.resize == resize
    ends = made.normalise(np.stack([np.zeros(made.shape), np.ones(made.shape)]))
    assert np.unique(ends[0]).tolist() == [low]
    assert np.unique(ends[1]).tolist() == [high]


def test_every_preset_can_be_parsed_for_a_colour_picture() -> None:
    for name in PRESETS:
        assert parse(name.upper(), PICTURE).channels == "RGB"


def test_words_change_a_preset() -> None:
    made = parse("imagenet,BGR,NHWC,stretch,bicubic,size=299", ["N", None, None, None])
    # A BGR model's first channel is blue, so ImageNet's numbers turn round.
    assert made == Preprocessing(
        channels="BGR", layout="NHWC", size=(299, 299), resize="stretch", interpolation="bicubic",
        mean=MEAN[::-1], std=STD[::-1],
    )  # fmt: skip
    assert parse(" SIZE=299 , Nhwc,bgr,stretch,BICUBIC, ImageNet", ["N", None, None, None]) == made


def test_draft_has_to_be_stated() -> None:
    assert parse("imagenet", PICTURE).decode == "full"
    assert parse("imagenet,draft", PICTURE) == parse("imagenet", PICTURE).model_copy(
        update={"decode": "draft"}
    )


def test_stated_numbers_are_in_the_model_s_order() -> None:
    made = parse("imagenet,BGR,mean=0.1:0.2:0.3,std=0.5", PICTURE)
    assert (made.mean, made.std) == ((0.1, 0.2, 0.3), (0.5,))


def test_sizes_and_short_side() -> None:
    made = parse("unit,short-side,size=100x80,resize-to=120", ["N", 3, "H", "W"])
    assert (made.size, made.resize_to) == ((100, 80), 120)
    assert parse("imagenet", ["N", 3, 299, 299]).resize_to == 342


def test_without_a_preset_the_rule_of_guess_chooses() -> None:
    assert parse("bicubic", PICTURE) == guess(PICTURE).preprocessing.model_copy(
        update={"interpolation": "bicubic"}
    )
    assert parse("L,NHWC", ["N", "H", "W", "C"]) == Preprocessing(
        channels="L", layout="NHWC", size=(224, 224), resize="stretch"
    )


@pytest.mark.parametrize(
    ("text", "shape", "complaint"),
    [
        (
            "imagnet",
            PICTURE,
            r"unknown word 'imagnet'; did you mean 'imagenet'\? choose from RGB, .*std=\.\.\.",
        ),
        ("imagenet,NHCW", PICTURE, r"unknown word 'NHCW'; did you mean 'N"),
        ("zzz", PICTURE, r"unknown word 'zzz'; choose from "),
        ("", PICTURE, "unknown word ''"),
        ("imagenet,,RGB", PICTURE, "unknown word ''"),
        ("width=3", PICTURE, "unknown word 'width=3'"),
        ("a\x1bb", PICTURE, r"unknown word 'a\\x1bb'"),
        ("imagenet,unit", PICTURE, "preset is given twice"),
        ("RGB,BGR", PICTURE, "channels is given twice"),
        ("size=big", PICTURE, "'size=big': cannot be read; write size=299 or size=HEIGHTxWIDTH"),
        ("mean=a:b", PICTURE, "cannot be read; write mean="),
        ("mean=", PICTURE, "cannot be read; write mean="),
        ("resize-to=1.5", PICTURE, "cannot be read; write resize-to=256"),
        ("unit,size=-3", ["N", 3, "H", "W"], "size.0: expected 1 or more"),
        ("unit,std=0", PICTURE, "std.0: expected 1e-06 or more"),
        ("unit,mean=nan", PICTURE, "mean.0: expected a finite number"),
        ("unit,mean=1:2", PICTURE, "mean has 2 values; RGB takes one or 3"),
        ("unit,resize-to=9", PICTURE, "resize_to: has no effect with resize 'stretch'"),
        ("imagenet", ["N", 1, 28, 28], "mean has 3 values; L takes one"),
        ("imagenet,size=299", PICTURE, r"gives \[N,3,299,299\], but the model takes \[N,3,224,224\]"),
        ("imagenet,L", PICTURE, "no recognisable axis of 1 or 3 channels"),
        ("imagenet,NHWC", PICTURE, "no recognisable axis of 1 or 3 channels"),
        ("imagenet", ["N", 128], r"input \[N,128\] does not look like a picture; pass arrays"),
        ("imagenet", ["N", "C", "H", "W"], "no recognisable axis of 1 or 3 channels; pass arrays"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(text: str, shape: list[Any], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint) as caught:
        parse(text, shape)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (["N", 3, 224, 224], ("NCHW", "RGB", (224, 224), "short-side", MEAN)),
        ([1, 3, 64, 200], ("NCHW", "RGB", (64, 200), "short-side", MEAN)),
        ([1, 3, 63, 200], ("NCHW", "RGB", (63, 200), "stretch", MEAN)),
        (["N", 3, 32, 32], ("NCHW", "RGB", (32, 32), "stretch", MEAN)),
        ([None, 240, 320, 3], ("NHWC", "RGB", (240, 320), "short-side", MEAN)),
        (["N", 3, "H", "W"], ("NCHW", "RGB", (224, 224), "short-side", MEAN)),
        (["N", 3, "H", 100], ("NCHW", "RGB", (224, 100), "short-side", MEAN)),
        ([0, -1, -1, 3], ("NHWC", "RGB", (224, 224), "short-side", MEAN)),
        (["N", 1, 28, 28], ("NCHW", "L", (28, 28), "stretch", (0.0,))),
        (["N", 28, 28, 1], ("NHWC", "L", (28, 28), "stretch", (0.0,))),
    ],
)
def test_guesses(shape: list[Any], expected: tuple[Any, ...]) -> None:
    made = guess(shape).preprocessing
    assert (made.layout, made.channels, made.size, made.resize, made.mean) == expected


def test_a_guess_says_that_it_is_one() -> None:
    assert guess(["N", 3, 224, None]).source == (
        "guessed from input shape [N,3,224,?]: not stated by the file, check it"
    )


@pytest.mark.parametrize(
    "shape",
    [[], ["N"], ["N", 10], ["N", 3, 8], ["N", 3, 8, 8, 8], ["N", 7, 32, 32], ["N", 4, 32, 32], [None] * 4],
)
def test_what_looks_like_no_picture_is_not_guessed_at(shape: list[Any]) -> None:
    with pytest.raises(UsageError, match=r"pass arrays \(\.npy, \.npz\)"):
        guess(shape)


@pytest.mark.parametrize("shape", [["N", 3, 224, 3], ["N", 1, 28, 1], ["N", 3, "H", 1]])
def test_two_readings_are_not_guessed_between(shape: list[Any]) -> None:
    with pytest.raises(UsageError, match="may be NCHW or NHWC; choose one, as in preprocess='NCHW'"):
        guess(shape)
    assert parse("NCHW", shape).layout == "NCHW"


def test_integers_hold_bytes_which_is_no_guess_for_uint8() -> None:
    for dtype, guessed in (("uint8", False), ("int64", True)):
        chosen = guess((None, 32, 32, 3), dtype)
        assert chosen.guessed == guessed
        assert chosen.preprocessing == parse("bytes", (None, 32, 32, 3))
    assert guess((None, 32, 32, 3), "float32") == guess((None, 32, 32, 3))


@pytest.mark.parametrize(
    ("text", "shape", "lost", "kept"),
    [
        ("imagenet", (1, 3, 224, 224), 1 - (224 / 256) ** 2, "imagenet,stretch"),
        ("imagenet,size=96,bicubic", (1, 3, None, None), 1 - (96 / 110) ** 2, "imagenet,stretch,bicubic"),
        ("tf,BGR,NHWC", (1, 299, 299, 3), 1 - (299 / 342) ** 2, "inception,BGR,stretch"),
        ("imagenet,BGR", (1, 3, 64, 64), 1 - (64 / 73) ** 2, "imagenet,BGR,stretch"),
        ("unit,short-side,L", (1, 1, 28, 28), 1 - (28 / 32) ** 2, "unit,stretch"),
        ("mean=0.1,std=0.25,short-side", (1, 3, 96, 64), 1 - (64 / 110) ** 2, "mean=0.1,std=0.25,stretch"),
    ],
)
def test_pictures_of_the_models_size_lose_a_part_that_is_named(text, shape, lost, kept) -> None:
    made = parse(text, shape)
    note = crop_note(made, made.size)
    height, width = made.size
    assert f"{height}x{width}" in note
    assert f"{lost:.0%} of each is lost" in note
    assert f"preprocess={kept!r}" in note or f"preprocess={kept}" in note or f'preprocess="{kept}"' in note
    # The advice keeps every pixel, and changes nothing else.
    size = "" if None not in shape else f",size={height}x{width}"
    whole = parse(kept + size, shape)
    assert whole == made.model_copy(update={"resize": "stretch", "resize_to": None})
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    picture = Image.fromarray(pixels)
    if made.channels == "RGB" and made.layout == "NCHW":
        np.testing.assert_array_equal(
            whole.pixels(picture), (pixels / 255).astype(np.float32).transpose(2, 0, 1)
        )
    assert crop_note(made, (height, width + 1)) == ""
    assert crop_note(whole, (height, width)) == ""


def test_pictures_that_lose_nothing_have_no_note() -> None:
    assert crop_note(parse("imagenet,resize-to=224", (1, 3, 224, 224)), (224, 224)) == ""
