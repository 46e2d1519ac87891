"""Decoding of pictures from untrusted files to 8-bit RGB or grey."""

import math
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
    features,
)

from onnx_ood.exceptions import InputError, UsageError
from onnx_ood.inputs.files import name_of, open_regular, reason_of
from onnx_ood.inputs.other_files import advice_on
from onnx_ood.inputs.quiet_pillow import quiet_pillow

Channels = Literal["RGB", "BGR", "L"]
T = TypeVar("T")

SUFFIXES = frozenset(
    {
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".png",
        ".webp",
        ".bmp",
        ".gif",
        ".tif",
        ".tiff",
        ".avif",
        ".heic",
        ".heif",
    }
)
"""Suffixes, in lower case, by which pictures are recognised in a folder; reading goes by content."""

MAX_PIXELS = 100_000_000
"""A picture with more pixels is refused before it is decoded: 100 million are 400 MB in memory already."""

MAX_FILE_BYTES = 1 << 30
"""A larger file is refused unread: some decoders read the whole file at once."""

# Only these decoders see the bytes. Pillow has some forty more; the rarer ones are little tested, and EPS
# starts ghostscript. Naming the classes imports them here, so that no thread does while decoding.
_FORMATS = tuple(
    str(plugin.format)
    for plugin in (
        JpegImagePlugin.JpegImageFile,
        PngImagePlugin.PngImageFile,
        WebPImagePlugin.WebPImageFile,
        BmpImagePlugin.BmpImageFile,
        GifImagePlugin.GifImageFile,
        TiffImagePlugin.TiffImageFile,
    )
)

# Pillow has AVIF from 11.3 on, if it was built with libavif.
if "avif" in features.modules and features.check("avif"):
    from PIL import AvifImagePlugin

    _FORMATS += (str(AvifImagePlugin.AvifImageFile.format),)

# Brands of HEIC files, behind their length and "ftyp".
_HEIC_BRANDS = frozenset({b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"})
_BITS_TAG, _PHOTOMETRIC_TAG, _MAX_VALUE_TAG = 258, 262, 281
_WHITE_IS_ZERO = 0
_TIFF_HEADS = frozenset({b"II*\0", b"MM\0*"})
_UNKNOWN = "is not a picture that can be read here (JPEG, PNG, WebP, BMP, GIF, TIFF, AVIF, HEIC)"
_UNKNOWN_TIFF = (
    "is a TIFF with pixels that cannot be read here (their bits, channels or compression); convert it to "
    "8 bits"
)
_MAX_16_BITS = 65_535

_ORIENTATION_TAG = 0x0112
_UPRIGHT = {  # inverse of each EXIF orientation
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

FILLED_IN = "filled in"
"""Key of `Image.info`: the decoder made up the end of a damaged JPEG."""
# What libjpeg makes of missing coefficients: mid-grey blocks.
_FILL, _BLOCK = 128, 8
_FILLED = (_FILL, (_FILL,) * 3)

# Pictures above this are decoded one at a time: flattening one holds about three copies of it, and eight
# threads with 100 million pixels each would need 10 GB.
_LARGE_PIXELS = 16_000_000
_one_large = threading.Lock()


def read_image(path: Path, channels: Channels, *, min_side: int | None = None) -> Image.Image:
    """Decode a picture: upright, opaque, 8 bits a channel.

    JPEG, PNG, WebP, BMP, GIF, TIFF, AVIF (if Pillow has it) and HEIC (with pillow-heif), recognised by
    content. Of several frames or pages the first is taken. The EXIF orientation is applied; one that cannot be
    parsed is ignored, as viewers do. Colour profiles are ignored. For the pixel values see `as_channels`.

    Thread-safe. Pillow's own pixel limit (`Image.MAX_IMAGE_PIXELS`, a process-wide setting that belongs
    to the application) is neither changed nor relied upon: `MAX_PIXELS` is held against the size in the
    file's header, and Pillow's warning below its hard limit is kept silent. One thing can't be silenced
    from here: of damaged TIFF files, libtiff (inside Pillow) writes lines of its own to standard error.

    Args:
        path: The file.
        channels: `L` for grey; `RGB` and `BGR` both give a picture in RGB, because Pillow has no BGR
            mode: `Preprocessing.pixels` swaps the channels of the array.
        min_side: Decode JPEGs to a half, a quarter or an eighth of their size, as long as neither side becomes
            shorter than this: much faster, and not the same pixels. None for the full size.

    Returns:
        A loaded image of mode `L` or `RGB`, independent of the file. Its `info` has the key `FILLED_IN` if the decoder
        made up the end of a damaged JPEG.

    Raises:
        InputError: If the file cannot be read, is not a picture, is truncated or broken, is too large, or
            holds pixels without a stated white level (32-bit integers, floats).
        UsageError: If the process has set `PIL.ImageFile.LOAD_TRUNCATED_IMAGES`, under which a truncated
            file would pass for a picture with a grey bottom.
    """
    with open_regular(path, max_bytes=MAX_FILE_BYTES) as file:
        try:
            return decode_image(file, channels, min_side=min_side)
        except InputError as error:
            advice = f"; {found}" if (found := advice_on(path)) else ""
            raise InputError(f"{name_of(path)}: {error}{advice}") from None


def decode_image(file: BinaryIO, channels: Channels, *, min_side: int | None = None) -> Image.Image:
    """Decode a picture from an open file, as `read_image` does.

    Args:
        file: The file, at its start.
        channels: `L` for grey; `RGB` and `BGR` both give RGB.
        min_side: As in `read_image`.

    Raises:
        InputError: As in `read_image`, without a file name.
        UsageError: As in `read_image`.
    """
    if ImageFile.LOAD_TRUNCATED_IMAGES:
        raise UsageError(
            "PIL.ImageFile.LOAD_TRUNCATED_IMAGES is set; unset it, or broken pictures pass unseen"
        )
    with quiet_pillow():
        return _decode(file, channels, min_side)


def convert_image(image: Image.Image, channels: Channels) -> Image.Image:
    """Convert an image in memory as `read_image` converts the same picture from a file.

    Args:
        image: Any PIL image, also one opened and not yet loaded; it is left unchanged.
        channels: `L` for grey; `RGB` and `BGR` both give RGB.

    Returns:
        A loaded image of mode `L` or `RGB`, independent of the given one.

    Raises:
        InputError: If the image is broken, too large, or of a mode without a stated white level.
    """
    with quiet_pillow():
        _check_size(image)
        return _loaded(image, channels)


def as_channels(image: Image.Image, channels: Channels) -> Image.Image:
    """Bring a decoded picture to mode `L` (for `L`) or `RGB` (for `RGB` and `BGR`).

    - Transparency (alpha channel, transparent palette entry or colour key) is composited over white.
    - Single-channel 16-bit values v become round(v / 257), so 65535 is white; of TIFF files with 12 bits, or with a
      stated largest value, that is white. If 0 is white in a TIFF file, values are inverted. Pillow itself keeps only
      the high byte of 16-bit *colour* files.
    - RGB to grey is Pillow's ITU-R 601-2 luma: (19595 R + 38470 G + 7471 B + 32768) >> 16.
    - CMYK and YCbCr are converted by Pillow's plain formulas, without colour profiles.

    Raises:
        InputError: For mode `I` and `F` (no white level is stated) and modes Pillow cannot convert.
    """
    target = "L" if channels == "L" else "RGB"
    if image.mode == target and "transparency" not in image.info:
        return image
    if image.mode in ("I", "F"):
        raise InputError(
            f"holds 32-bit pixels (mode {image.mode}) without a stated white level; "
            "convert it to 8 or 16 bits, or pass an .npy as the model takes it"
        )
    if image.mode.startswith("I;16"):
        image = _from_16_bits(image, *_white_level(image))
    elif image.has_transparency_data:
        # Premultiplied grey has no direct way to RGBA.
        rgba = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
        image = Image.new("RGB", image.size, (255, 255, 255))
        image.paste(rgba, (0, 0), mask=rgba)
    elif image.mode == "1":
        image = image.convert("L")
    elif image.mode != "L":
        image = image.convert("RGB")
    return image if image.mode == target else image.convert(target)


def _decode(file: BinaryIO, channels: Channels, min_side: int | None) -> Image.Image:
    # Pillow is given the open file, not its path: with a path it may map the file into memory, and a file
    # that shrinks meanwhile would then end the process (SIGBUS).
    head = file.read(12)
    file.seek(0)
    if head[4:8] == b"ftyp" and head[8:] in _HEIC_BRANDS:
        image = _open_heic(file)
    else:
        what = _UNKNOWN_TIFF if head[:4] in _TIFF_HEADS else _UNKNOWN
        image = _pillow(lambda: Image.open(file, formats=_FORMATS), what)
    _check_size(image)
    is_jpeg = image.format == "JPEG"
    if min_side is not None:
        # The mode stays: Pillow's way to grey is not the decoder's.
        _pillow(lambda: image.draft(None, (min_side, min_side)), "is a broken or truncated picture")
    loaded = _loaded(image, channels)
    if is_jpeg and min_side is None and _is_filled_in(image):
        loaded.info[FILLED_IN] = True
    return loaded


def _is_filled_in(image: Image.Image) -> bool:
    """Return whether a JPEG ends in the grey that libjpeg puts in place of data that are missing or damaged.

    Data end inside a row of blocks: it is grey from there on, and so are all rows below.
    """
    if image.mode not in {"L", "RGB"} or image.getpixel((image.width - 1, image.height - 1)) not in _FILLED:
        return False
    pixels = np.asarray(image)
    grey = (pixels == _FILL).reshape(*pixels.shape[:2], -1).all(axis=2)
    full = grey.all(axis=1)
    top = image.height - int(full[::-1].argmin()) if not full.all() else 0
    if top < _BLOCK:
        return False
    # The middle of the row of blocks above: colours of neighbours run into its edge.
    suffix = int((~grey[top - _BLOCK // 2])[::-1].argmax())
    return _BLOCK <= suffix < image.width


def _open_heic(file: BinaryIO) -> Image.Image:
    try:
        import pillow_heif  # noqa: PLC0415 - optional
    except ImportError:
        raise InputError(
            "is a HEIC picture, and reading it needs pillow-heif; install it with: pip install 'onnx_ood[heif]'"
        ) from None
    opened = _pillow(
        lambda: pillow_heif.open_heif(file, convert_hdr_to_8bit=True), "is a broken HEIC picture"
    )
    width, height = opened.size
    if width * height > MAX_PIXELS:
        raise InputError(f"is {width}x{height} pixels large, over the limit of {MAX_PIXELS:,} pixels")
    image: Image.Image = _pillow(opened.to_pillow, "is a broken or truncated picture")
    # libheif has turned the picture upright.
    image.info.pop("exif", None)
    image.getexif().pop(_ORIENTATION_TAG, None)
    return image


def _check_size(image: Image.Image) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise InputError(f"is {width}x{height} pixels large, over the limit of {MAX_PIXELS:,} pixels")


def _loaded(image: Image.Image, channels: Channels) -> Image.Image:
    if math.prod(image.size) > _LARGE_PIXELS:
        with _one_large:
            return _upright(image, channels)
    return _upright(image, channels)


def _upright(image: Image.Image, channels: Channels) -> Image.Image:
    broken = "is a broken or truncated picture"
    _pillow(image.load, broken)
    # After load: PNG may state it behind the pixels, and Pillow turns a TIFF (and clears the tag) in load.
    try:
        orientation = image.getexif().get(_ORIENTATION_TAG)
    except Exception:
        orientation = None
    flat = _pillow(lambda: as_channels(image, channels), broken)
    # A fresh copy where nothing was converted: what leaves this room holds no file and no metadata.
    turn = _UPRIGHT.get(orientation) if isinstance(orientation, int) else None
    return flat.transpose(turn) if turn is not None else (flat.copy() if flat is image else flat)


def _pillow(step: Callable[[], T], trouble: str) -> T:
    """Run one step of Pillow's; whatever it raises becomes an InputError."""
    try:
        return step()
    except InputError:
        raise
    except UnidentifiedImageError:
        raise InputError(trouble) from None
    # Decoders raise nearly everything on bytes they don't expect: OSError, SyntaxError, ValueError,
    # struct.error, TypeError, KeyError, zlib.error, MemoryError, DecompressionBombError...
    except Exception as error:
        raise InputError(f"{trouble} ({reason_of(error)})") from None


def _white_level(image: Image.Image) -> tuple[int, bool]:
    """Return the value of white of a 16-bit grey picture, and whether values are inverted, from the tags of a TIFF."""
    tags: Any = getattr(image, "tag_v2", None) or {}
    bits = _first(tags.get(_BITS_TAG))
    stated = _first(tags.get(_MAX_VALUE_TAG))
    white = (1 << bits) - 1 if bits in (12, 16) else _MAX_16_BITS
    if stated is not None and 255 < stated < white:
        white = stated
    return white, _first(tags.get(_PHOTOMETRIC_TAG)) == _WHITE_IS_ZERO


def _first(value: Any) -> int | None:
    value = value[0] if isinstance(value, tuple) and value else value
    return value if isinstance(value, int) else None


def _from_16_bits(image: Image.Image, white: int, inverted: bool) -> Image.Image:
    """Grey 16-bit values to 8 bits; a transparent value (PNG tRNS) becomes white."""
    wide: npt.NDArray[np.uint16] = np.asarray(image)
    clear = image.info.get("transparency")
    narrow = np.empty(wide.shape, np.uint8)
    for top in range(0, len(wide), 256):  # by blocks of rows: the products need 32 bits
        block = np.minimum(wide[top : top + 256], white).astype(np.uint32)
        if inverted:
            block = white - block
        # The nearest integer to 255 * v / white.
        narrow[top : top + 256] = (510 * block + white) // (2 * white)
        if isinstance(clear, int):
            narrow[top : top + 256][wide[top : top + 256] == clear] = 255
    return Image.fromarray(narrow)
