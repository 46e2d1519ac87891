import io
import os
import struct
import sys
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile, features
from png_files import chunk, png

from onnx_ood import models
from onnx_ood.exceptions import InputError, UsageError
from onnx_ood.inputs import as_channels, read_image
from onnx_ood.inputs.images import FILLED_IN, SUFFIXES

Bytes = npt.NDArray[np.uint8]


@pytest.fixture
def colours() -> Bytes:
    return np.random.default_rng(0).integers(0, 256, (20, 31, 3), dtype=np.uint8)


def saved(image: Image.Image, path: Path, **options: object) -> Path:
    image.save(path, **options)  # type: ignore[arg-type]
    return path


def refused(path: Path) -> str:
    """The message with which a file is refused: one line that names the file."""
    with pytest.raises(InputError) as caught:
        read_image(path, "RGB")
    message = str(caught.value)
    assert message.isprintable()
    assert message.startswith(f"{path.as_posix()}: ")
    return message.removeprefix(f"{path.as_posix()}: ")


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("x.png", {}),
        ("x.bmp", {}),
        ("x.webp", {"lossless": True}),
        ("x.tif", {}),
        ("x.tiff", {"compression": "tiff_lzw"}),
        ("y.tiff", {"compression": "tiff_adobe_deflate"}),
        ("z.tiff", {"compression": "packbits"}),
    ],
)
@pytest.mark.parametrize("channels", ["RGB", "BGR"])
def test_lossless_formats_give_the_pixels_that_were_stored(
    tmp_path: Path, colours: Bytes, name: str, options: dict[str, object], channels: str
) -> None:
    path = saved(Image.fromarray(colours), tmp_path / name, **options)
    image = read_image(path, channels)  # type: ignore[arg-type]
    assert image.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(image), colours)


def test_jpeg_gives_what_pillow_decodes(tmp_path: Path, colours: Bytes) -> None:
    path = saved(Image.fromarray(colours), tmp_path / "x.jpg", quality=90)
    with Image.open(path) as by_hand:
        np.testing.assert_array_equal(np.asarray(read_image(path, "RGB")), np.asarray(by_hand.convert("RGB")))


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.tif", "a.png"])
def test_of_several_frames_the_first_is_taken(tmp_path: Path, name: str) -> None:
    frames = [Image.new("RGB", (8, 6), colour) for colour in ((255, 0, 0), (0, 255, 0), (0, 0, 255))]
    options: dict[str, object] = {"lossless": True} if name == "a.webp" else {}
    path = saved(frames[0], tmp_path / name, save_all=True, append_images=frames[1:], **options)
    assert np.asarray(read_image(path, "RGB")).reshape(-1, 3).tolist() == [[255, 0, 0]] * 48


def test_the_content_decides_not_the_suffix(tmp_path: Path, colours: Bytes) -> None:
    path = tmp_path / "photo.of.something"
    Image.fromarray(colours).save(path, "PNG")
    np.testing.assert_array_equal(np.asarray(read_image(path, "RGB")), colours)


@pytest.mark.parametrize(
    "content", [b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"P6 1 1 255\nabc", b"", b"\0"]
)
def test_formats_off_the_list_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(content)
    assert (
        refused(path)
        == "is not a picture that can be read here (JPEG, PNG, WebP, BMP, GIF, TIFF, AVIF, HEIC)"
    )


def test_what_is_returned_holds_no_file_and_no_metadata(tmp_path: Path, colours: Bytes) -> None:
    path = saved(Image.fromarray(colours), tmp_path / "x.png", dpi=(72, 72))
    image = read_image(path, "RGB")
    assert type(image) is Image.Image


def test_grey_of_colour_is_the_itu_r_601_2_luma(tmp_path: Path, colours: Bytes) -> None:
    path = saved(Image.fromarray(colours), tmp_path / "x.png")
    wide = colours.astype(np.int64)
    luma = (19595 * wide[..., 0] + 38470 * wide[..., 1] + 7471 * wide[..., 2] + 32768) >> 16
    np.testing.assert_array_equal(np.asarray(read_image(path, "L")), luma)


def test_grey_read_as_colour_repeats_itself(tmp_path: Path, colours: Bytes) -> None:
    path = saved(Image.fromarray(colours[..., 0]), tmp_path / "x.png")
    np.testing.assert_array_equal(np.asarray(read_image(path, "RGB")), colours[..., :1].repeat(3, axis=2))
    np.testing.assert_array_equal(np.asarray(read_image(path, "L")), colours[..., 0])


def test_two_level_pictures_are_black_and_white(tmp_path: Path) -> None:
    path = saved(Image.fromarray(np.array([[True, False]])), tmp_path / "x.png")
    assert np.asarray(read_image(path, "L")).tolist() == [[255, 0]]


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bits_become_the_nearest_eighth(tmp_path: Path, suffix: str) -> None:
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    path = saved(Image.fromarray(values), tmp_path / f"x{suffix}")
    expected = np.rint(values.astype(np.float64) / 257)
    np.testing.assert_array_equal(np.asarray(read_image(path, "L")), expected)
    np.testing.assert_array_equal(np.asarray(read_image(path, "RGB"))[..., 1], expected)


def test_sixteen_bits_in_the_other_byte_order(tmp_path: Path) -> None:
    values = np.arange(0, 65536, 97, dtype=">u2").reshape(4, 169)
    image = Image.frombytes("I;16B", (169, 4), values.tobytes())
    path = saved(image, tmp_path / "x.tif")
    np.testing.assert_array_equal(np.asarray(read_image(path, "L")), np.rint(values / 257))


def test_a_transparent_sixteen_bit_value_is_white(tmp_path: Path) -> None:
    values = np.array([[0, 300, 65535]], np.uint16)
    path = tmp_path / "x.png"
    path.write_bytes(
        png(3, 1, 16, 0, b"\0" + values.astype(">u2").tobytes(), extra=chunk(b"tRNS", struct.pack(">H", 300)))
    )
    assert np.asarray(read_image(path, "L")).tolist() == [[0, 255, 255]]


@pytest.mark.parametrize("mode", ["I", "F"])
def test_pixels_without_a_white_level_are_refused(tmp_path: Path, mode: str) -> None:
    path = saved(Image.new(mode, (3, 3)), tmp_path / "x.tif")
    assert refused(path).startswith(
        f"holds 32-bit pixels (mode {mode}) without a stated white level; convert"
    )


def over_white(colour: Bytes, alpha: Bytes) -> npt.NDArray[np.float64]:
    a = alpha.astype(np.float64)[..., np.newaxis]
    return np.rint((colour * a + 255 * (255 - a)) / 255)


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
def test_colour_with_alpha_is_laid_over_white(tmp_path: Path, suffix: str) -> None:
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, (64, 64, 4), dtype=np.uint8)
    pixels[0, 0, 3], pixels[0, 1, 3] = 0, 255
    options = {"lossless": True, "exact": True} if suffix == ".webp" else {}
    path = saved(Image.fromarray(pixels), tmp_path / f"x{suffix}", **options)
    got = np.asarray(read_image(path, "RGB"))
    np.testing.assert_array_equal(got, over_white(pixels[..., :3], pixels[..., 3]))
    assert got[0, 0].tolist() == [255, 255, 255]


def test_grey_with_alpha_is_laid_over_white(tmp_path: Path) -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (64, 64, 2), dtype=np.uint8)
    path = saved(Image.fromarray(pixels, "LA"), tmp_path / "x.png")
    expected = over_white(pixels[..., :1], pixels[..., 1])
    np.testing.assert_array_equal(np.asarray(read_image(path, "L")), expected[..., 0])
    np.testing.assert_array_equal(np.asarray(read_image(path, "RGB")), expected.repeat(3, axis=2))


def test_palettes_and_their_transparency(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[0, 1, 2, 3]], np.uint8), "P")
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0])
    plain = saved(image, tmp_path / "plain.png")
    one = saved(image, tmp_path / "one.png", transparency=2)
    each = saved(image, tmp_path / "each.png", transparency=bytes([255, 0, 255, 51]))
    gif = saved(image, tmp_path / "x.gif", transparency=1)
    red, green, blue, black, white = [255, 0, 0], [0, 255, 0], [0, 0, 255], [0, 0, 0], [255, 255, 255]
    assert np.asarray(read_image(plain, "RGB")).tolist() == [[red, green, blue, black]]
    assert np.asarray(read_image(one, "RGB")).tolist() == [[red, green, white, black]]
    assert np.asarray(read_image(each, "RGB")).tolist() == [[red, white, blue, [204, 204, 204]]]
    assert np.asarray(read_image(gif, "RGB")).tolist() == [[red, white, blue, black]]


def test_colour_keys(tmp_path: Path) -> None:
    grey = saved(Image.fromarray(np.array([[7, 8]], np.uint8)), tmp_path / "g.png", transparency=7)
    assert np.asarray(read_image(grey, "L")).tolist() == [[255, 8]]
    colour = saved(
        Image.fromarray(np.array([[[1, 2, 3], [3, 2, 1]]], np.uint8)),
        tmp_path / "c.png",
        transparency=(1, 2, 3),
    )
    assert np.asarray(read_image(colour, "RGB")).tolist() == [[[255, 255, 255], [3, 2, 1]]]


@pytest.mark.parametrize("mode", ["PA", "La", "RGBa", "RGBX", "YCbCr"])
def test_rarer_modes_of_pillow(mode: str) -> None:
    source = Image.fromarray(np.full((2, 2, 4), (200, 100, 50, 255), np.uint8))
    image = (
        source.convert("LA").convert("La")
        if mode == "La"
        else source.convert("P").convert("PA")
        if mode == "PA"
        else source.convert("RGB").convert(mode)
        if mode in ("RGBX", "YCbCr")
        else source.convert(mode)
    )
    assert image.mode == mode
    got = np.asarray(as_channels(image, "RGB"))[0, 0].astype(int)
    wanted = [124] * 3 if mode == "La" else [200, 100, 50]
    assert abs(got - wanted).max() <= (30 if mode == "PA" else 1)


def test_cmyk_jpeg(tmp_path: Path) -> None:
    cyan, magenta, yellow, black = 200, 100, 30, 60
    path = saved(Image.new("CMYK", (16, 16), (cyan, magenta, yellow, black)), tmp_path / "x.jpg", quality=100)
    expected = [(255 - ink) * (255 - black) / 255 for ink in (cyan, magenta, yellow)]
    assert abs(np.asarray(read_image(path, "RGB"))[8, 8] - expected).max() <= 3


def test_ycck_jpeg(tmp_path: Path) -> None:
    # libjpeg writes CMYK with an Adobe marker that says "no transform". Said to be YCCK, the same samples
    # are luma 255 - v and neutral chroma (Pillow stores inks inverted): C = M = Y = 255 - v.
    v, black = 100, 60
    content = bytearray(
        saved(Image.new("CMYK", (16, 16), (v, 127, 127, black)), tmp_path / "x.jpg", quality=100).read_bytes()
    )
    transform = content.index(b"Adobe") + 11
    assert content[transform] == 0
    content[transform] = 2
    (tmp_path / "x.jpg").write_bytes(content)
    assert abs(np.asarray(read_image(tmp_path / "x.jpg", "RGB"))[8, 8] - v * (255 - black) / 255).max() <= 4


# EXIF 2.3, tag 0x0112: where the stored row 0 and the stored column 0 are to be shown.
ORIENTATIONS = {
    1: ("top", "left"), 2: ("top", "right"), 3: ("bottom", "right"), 4: ("bottom", "left"),
    5: ("left", "top"), 6: ("right", "top"), 7: ("right", "bottom"), 8: ("left", "bottom"),
}  # fmt: skip


def shown_as(stored: Bytes, orientation: int) -> Bytes:
    """What a viewer shows, pixel by pixel from the definition."""
    first_row, first_column = ORIENTATIONS[orientation]
    rows, columns = stored.shape[:2]
    upright = first_row in ("top", "bottom")
    out = np.empty((rows, columns, 3) if upright else (columns, rows, 3), np.uint8)
    for r in range(rows):
        for c in range(columns):
            across_row = r if first_row in ("top", "left") else rows - 1 - r
            across_column = c if first_column in ("top", "left") else columns - 1 - c
            out[(across_row, across_column) if upright else (across_column, across_row)] = stored[r, c]
    return out


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("name", ["x.jpg", "x.png", "x.webp", "x.tif", "lzw.tif"])
def test_pictures_are_turned_upright(tmp_path: Path, orientation: int, name: str) -> None:
    # Blocks of 16 x 16, which JPEG keeps nearly as they are.
    stored = np.random.default_rng(3).integers(0, 256, (2, 3, 3), dtype=np.uint8).repeat(16, 0).repeat(16, 1)
    exif = Image.Exif()
    exif[0x0112] = orientation
    options: dict[str, object] = {
        "x.webp": {"lossless": True},
        "x.jpg": {"quality": 100, "subsampling": 0},
        "lzw.tif": {"compression": "tiff_lzw"},
    }.get(name, {})  # type: ignore[assignment]
    path = saved(Image.fromarray(stored), tmp_path / name, exif=exif, **options)
    got, expected = np.asarray(read_image(path, "RGB")), shown_as(stored, orientation)
    assert got.shape == expected.shape
    assert abs(got.astype(int) - expected).max() <= (3 if name == "x.jpg" else 0)


BROKEN_EXIF = [
    b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01",
    b"Exif\0\0II*\0\xff\xff\xff\xff",
    b"Exif\0\0nonsense",
    b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x02\0\xff\xff\xff\x7f\0\0\0\0",
    b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x63\0\0\0\0\0\0\0",  # orientation 99
]


@pytest.mark.parametrize("exif", BROKEN_EXIF)
def test_broken_exif_is_no_reason_to_refuse_a_picture_or_to_warn(
    tmp_path: Path, colours: Bytes, exif: bytes
) -> None:
    path = saved(Image.fromarray(colours), tmp_path / "x.jpg", exif=exif)
    assert read_image(path, "RGB").size == (31, 20)  # warnings are errors in these tests


def test_reading_in_many_threads_leaves_the_warning_filters_alone(tmp_path: Path, colours: Bytes) -> None:
    path = saved(Image.fromarray(colours), tmp_path / "x.jpg", exif=BROKEN_EXIF[0])
    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        sizes = list(pool.map(lambda _: read_image(path, "RGB").size, range(200)))
    assert set(sizes) == {(31, 20)}
    assert list(warnings.filters) == before
    with pytest.warns(UserWarning, match="still shown"):
        warnings.warn("still shown", stacklevel=1)


# Every block of 8 x 8 has one colour, which is all that a picture at an eighth of the size keeps of it.
BLOCKS: Bytes = np.random.default_rng(5).integers(0, 256, (12, 20, 3), dtype=np.uint8)


def blocks(path: Path, **options: object) -> Path:
    image = Image.fromarray(BLOCKS.repeat(8, 0).repeat(8, 1))
    return saved(image, path, **{"quality": 100, "subsampling": 0} | options if path.suffix == ".jpg" else {})


@pytest.mark.parametrize(("least", "times"), [(1, 8), (12, 8), (13, 4), (24, 4), (25, 2), (49, 1), (999, 1)])
def test_a_draft_is_the_smallest_that_is_no_shorter_than_asked_for(
    tmp_path: Path, least: int, times: int
) -> None:
    image = read_image(blocks(tmp_path / "x.jpg"), "RGB", min_side=least)
    expected = BLOCKS.repeat(8 // times, 0).repeat(8 // times, 1)
    assert image.size == (expected.shape[1], expected.shape[0])
    assert abs(np.asarray(image).astype(int) - expected).max() <= 3


def test_a_draft_is_turned_upright_too(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image = read_image(blocks(tmp_path / "x.jpg", exif=exif), "RGB", min_side=12)
    assert abs(np.asarray(image).astype(int) - shown_as(BLOCKS, 6)).max() <= 3


def test_a_grey_draft_is_grey_by_the_same_formula(tmp_path: Path) -> None:
    image = read_image(blocks(tmp_path / "x.jpg"), "L", min_side=12)
    red, green, blue = np.moveaxis(BLOCKS.astype(int), -1, 0)
    luma = (19595 * red + 38470 * green + 7471 * blue + 32768) >> 16
    assert abs(np.asarray(image).astype(int) - luma).max() <= 3


def test_other_formats_have_no_draft(tmp_path: Path) -> None:
    assert read_image(blocks(tmp_path / "x.png"), "RGB", min_side=12).size == (160, 96)


@pytest.mark.parametrize(("width", "height"), [(10001, 10000), (50_000, 50_000), (2**31 - 1, 2**31 - 1)])
def test_decompression_bombs_are_refused_by_their_header(tmp_path: Path, width: int, height: int) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png(width, height, 8, 2, b""))
    assert "pixels" in refused(path)


def test_a_gif_frame_larger_than_its_screen_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.gif"
    screen = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0, 0, 0)
    path.write_bytes(screen + b"," + struct.pack("<HHHHB", 0, 0, 65535, 65535, 0) + b"\x08\x01\0\0;")
    refused(path)


def test_a_picture_between_pillow_s_limit_and_ours_is_read_without_a_word(tmp_path: Path) -> None:
    side = 9500
    assert side * side > Image.MAX_IMAGE_PIXELS  # type: ignore[operator]
    path = tmp_path / "large.png"
    path.write_bytes(png(side, side, 1, 0, bytes((side + 7) // 8 + 1) * side))
    limit = Image.MAX_IMAGE_PIXELS
    assert read_image(path, "L").size == (side, side)
    assert limit == Image.MAX_IMAGE_PIXELS


def test_a_huge_file_is_refused_unread(tmp_path: Path, colours: Bytes) -> None:
    path = saved(Image.fromarray(colours), tmp_path / "x.webp")
    os.truncate(path, (1 << 30) + 1)  # sparse
    assert "over the limit" in refused(path)


@pytest.mark.parametrize(("width", "height"), [(0, 5), (5, 0), (0, 0)])
def test_pictures_without_pixels_are_refused(tmp_path: Path, width: int, height: int) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(png(width, height, 8, 2, b""))
    refused(path)


def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert refused(tmp_path) == "is a folder, not a file"
    assert refused(tmp_path / "gone.png") == "no such file; check the path"
    os.mkfifo(tmp_path / "pipe.png")
    assert refused(tmp_path / "pipe.png") == "is not a regular file (a pipe or a device)"
    assert refused(Path("/dev/zero")) == "is not a regular file (a pipe or a device)"
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    assert refused(tmp_path / "loop.png").startswith("cannot be opened")

    def deny(*arguments: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", deny)
    assert refused(tmp_path / "secret.png") == "may not be read; check its permissions"


def test_a_name_with_control_characters_is_escaped(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_image(tmp_path / "a\nb\x1b.png", "RGB")
    assert "a\\nb\\x1b.png" in str(caught.value)
    with pytest.raises(InputError, match=r"a\\x00b: cannot be opened"):
        read_image(Path("a\0b"), "RGB")


def test_nothing_is_read_while_the_process_hides_truncation(
    tmp_path: Path, colours: Bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(Image.fromarray(colours), tmp_path / "x.png")
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(UsageError, match="LOAD_TRUNCATED_IMAGES"):
        read_image(path, "RGB")


WRITERS: dict[str, Callable[[Image.Image, io.BytesIO], None]] = {
    "jpeg": lambda image, to: image.save(to, "JPEG"),
    "progressive": lambda image, to: image.save(to, "JPEG", progressive=True),
    "png": lambda image, to: image.save(to, "PNG"),
    "webp": lambda image, to: image.save(to, "WEBP"),
    "webp-lossless": lambda image, to: image.save(to, "WEBP", lossless=True),
    "bmp": lambda image, to: image.save(to, "BMP"),
    "gif": lambda image, to: image.quantize(64).save(to, "GIF"),
    "tiff": lambda image, to: image.save(to, "TIFF"),
    "tiff-lzw": lambda image, to: image.save(to, "TIFF", compression="tiff_lzw"),
    "tiff-jpeg": lambda image, to: image.save(to, "TIFF", compression="jpeg"),
}


def encoded(kind: str) -> bytes:
    pixels = np.random.default_rng(4).integers(0, 256, (18, 21, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    WRITERS[kind](Image.fromarray(pixels), buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", WRITERS)
def test_a_truncated_file_is_refused_or_was_complete_in_its_pixels(
    tmp_path: Path, kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    content = encoded(kind)
    path = tmp_path / "x"
    path.write_bytes(content)
    whole = np.asarray(read_image(path, "RGB"))
    accepted = 0
    for length in {*range(0, len(content), 7), *range(len(content) - 24, len(content))}:
        path.write_bytes(content[:length])
        try:
            got = np.asarray(read_image(path, "RGB"))
        except InputError as error:
            assert str(error).isprintable()  # noqa: PT017
        else:
            accepted += 1
            np.testing.assert_array_equal(got, whole)
    assert accepted <= 24  # only what follows the last pixel
    written = capfd.readouterr()
    assert written.out == ""
    if not kind.startswith("tiff"):  # libtiff, inside Pillow, writes its complaints to standard error itself
        assert written.err == ""


@pytest.mark.parametrize("suffix", sorted(SUFFIXES))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=400))
def test_random_bytes_raise_nothing_but_input_errors(tmp_path: Path, suffix: str, content: bytes) -> None:
    heads = [
        b"",
        b"\xff\xd8\xff",
        b"\x89PNG\r\n\x1a\n",
        b"RIFF\x40\0\0\0WEBP",
        b"BM",
        b"GIF89a",
        b"II*\0",
        b"MM\0*",
    ]
    for head in heads:
        path = tmp_path / f"x{suffix}"
        path.write_bytes(head + content)
        try:
            read_image(path, "RGB")
        except InputError as error:
            assert str(error).isprintable()  # noqa: PT017


@pytest.mark.parametrize("kind", WRITERS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files_raise_nothing_but_input_errors(tmp_path: Path, kind: str, data: st.DataObject) -> None:
    content = bytearray(encoded(kind))
    for _ in range(data.draw(st.integers(1, 4))):
        # Headers are where the interesting numbers are.
        at = data.draw(st.integers(0, min(len(content) - 1, 200)) | st.integers(0, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    path = tmp_path / "x"
    path.write_bytes(content)
    try:
        read_image(path, "L")
    except InputError as error:
        assert str(error).isprintable()  # noqa: PT017


def test_large_pictures_do_not_block_each_other_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(png(4100, 4100, 1, 0, bytes(4100 // 8 + 2) * 4100))
    bad = tmp_path / "bad.png"
    bad.write_bytes(path.read_bytes()[:200])
    for _ in range(2):  # the lock is given back after a failure too
        with pytest.raises(InputError):
            read_image(bad, "L")
        assert read_image(path, "L").size == (4100, 4100)
    assert threading.active_count() >= 1


def tiff12(
    path: Path, values: Any, *, photometric: int = 1, bits: int = 12, largest: int | None = None
) -> Path:
    """A grey TIFF of 12 bits written by hand, two pixels in three bytes, or of 16 bits."""
    height, width = values.shape
    if bits == 12:
        flat = values.reshape(-1, 2).astype(np.uint32)
        packed = (flat[:, 0] << 12) | flat[:, 1]
        strip = b"".join(int(one).to_bytes(3, "big") for one in packed)
    else:
        strip = values.astype("<u2").tobytes()
    entries = [(256, 4, width), (257, 4, height), (258, 3, bits), (259, 3, 1), (262, 3, photometric),
               (273, 4, 8), (277, 3, 1), (278, 4, height), (279, 4, len(strip))]  # fmt: skip
    entries += [(281, 3, largest)] if largest else []
    strip += bytes(len(strip) % 2)
    table = struct.pack("<H", len(entries)) + b"".join(
        struct.pack("<HHII", tag, kind, 1, v) for tag, kind, v in entries
    )
    path.write_bytes(b"II*\0" + struct.pack("<I", 8 + len(strip)) + strip + table + bytes(4))
    return path


@pytest.mark.parametrize(
    ("bits", "largest", "photometric"),
    [(12, None, 1), *((16, largest, white) for largest in (None, 4095, 1023) for white in (0, 1))],
)
def test_grey_tiffs_are_scaled_by_their_own_white(
    tmp_path: Path, bits: int, largest: int | None, photometric: int
) -> None:
    white = largest or 2**bits - 1
    values = np.linspace(0, white, 64).round().astype(np.uint16).reshape(8, 8)
    path = tiff12(tmp_path / "x.tif", values, photometric=photometric, bits=bits, largest=largest)
    exact = 255 * values.astype(np.float64) / white
    want = exact if photometric else 255 - exact
    got = np.asarray(read_image(path, "L"), np.float64)
    assert np.abs(got - want).max() <= 0.5 + 1e-9


def test_tiffs_that_pillow_cannot_read_are_refused_with_the_reason(tmp_path: Path) -> None:
    tiff12(tmp_path / "x.tif", np.zeros((8, 8), np.uint16), photometric=0)
    assert refused(tmp_path / "x.tif").endswith(
        "is a TIFF with pixels that cannot be read here (their bits, channels or compression); convert it to 8 bits"
    )


def test_avif_pictures_are_read(tmp_path: Path) -> None:
    if not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    picture = Image.new("RGB", (16, 16), (200, 30, 90))
    picture.save(tmp_path / "x.avif", quality=100)
    got = np.asarray(read_image(tmp_path / "x.avif", "RGB"), int)
    assert np.abs(got - [200, 30, 90]).max() <= 3


def test_heic_pictures_are_read_upright(tmp_path: Path) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    values = np.zeros((32, 64, 3), np.uint8)
    values[:, 32:] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    pillow_heif.from_pillow(Image.fromarray(values)).save(
        tmp_path / "x.heic", quality=-1, exif=exif.tobytes()
    )
    got = np.asarray(read_image(tmp_path / "x.heic", "L"), int)
    want, _ = pillow_heif.open_heif(tmp_path / "x.heic").size, None
    assert got.shape == want[::-1]
    assert got.std() > 100
    (tmp_path / "y.heic").write_bytes((tmp_path / "x.heic").read_bytes()[:100])
    with pytest.raises(InputError, match="is a broken"):
        read_image(tmp_path / "y.heic", "L")


def test_heic_pictures_without_pillow_heif(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    (tmp_path / "x.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(40))
    with pytest.raises(
        InputError, match=r"needs pillow-heif; install it with: pip install 'onnx_ood\[heif\]'"
    ):
        read_image(tmp_path / "x.heic", "RGB")


def _photo(mode: str, subsampling: int) -> bytes:
    stream = io.BytesIO()
    photo = Image.open(models.path("fashion_cnn").parent / "photos" / "astronaut.jpg").convert(mode)
    photo.save(stream, "jpeg", quality=90, **({"subsampling": subsampling} if mode == "RGB" else {}))
    return stream.getvalue()


@pytest.mark.parametrize(("mode", "subsampling"), [("RGB", 0), ("RGB", 2), ("L", 0)])
@pytest.mark.parametrize("share", [0.3, 0.55, 0.8, 0.97])
def test_jpegs_whose_end_libjpeg_makes_up_are_marked(
    tmp_path: Path, mode: str, subsampling: int, share: float
) -> None:
    """Data that end too early, with the marker of an end, as some repairs and downloads leave them."""
    content = _photo(mode, subsampling)
    path = tmp_path / "x.jpg"
    path.write_bytes(content)
    assert FILLED_IN not in read_image(path, "RGB").info
    path.write_bytes(content[: int(share * len(content))] + b"\xff\xd9")
    for channels in ("RGB", "L"):
        assert FILLED_IN in read_image(path, channels).info


def test_grey_that_is_in_the_picture_is_not_damage(tmp_path: Path) -> None:
    photo = np.asarray(Image.open(io.BytesIO(_photo("RGB", 0))))
    boxed, corner, plain = photo.copy(), photo.copy(), np.full_like(photo, 128)
    boxed[-40:] = boxed[:40] = 128
    corner[-5:, -5:] = 128
    for values in (boxed, corner, plain):
        path = saved(Image.fromarray(values), tmp_path / "x.jpg", quality=95, subsampling=0)
        assert FILLED_IN not in read_image(path, "RGB").info
    for path in (models.path("fashion_cnn").parent / "photos").glob("*.jpg"):
        assert FILLED_IN not in read_image(path, "RGB").info
