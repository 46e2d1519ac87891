"""Recordings, streamed in windows of the length that the model takes: .wav, and with soundfile .flac, .ogg and others.

The chunks are read here and not by Python's `wave`, which knows no floats, on Python 3.11 no extensible
headers, and believes the lengths it reads. The part of RIFF that matters is small: chunks are walked by
their lengths, held against the length of the file, and only the data that a window needs is ever read.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
import numpy.typing as npt

from onnx_ood.exceptions import InputError
from onnx_ood.inputs.files import name_of, open_regular, reason_of
from onnx_ood.inputs.rows.arrays import MAX_READ_BYTES, MAX_ROW_BYTES
from onnx_ood.inputs.rows.protocol import RowError
from onnx_ood.inputs.shapes import shape_text

COMPRESSED_SUFFIXES = frozenset({".flac", ".ogg", ".oga", ".opus", ".mp3"})
"""Suffixes of recordings that soundfile reads, which is optional."""

SUFFIXES = COMPRESSED_SUFFIXES | {".wav"}

_MAX_SAMPLES = 1 << 40  # libsndfile gives 2^63 - 1 for a length that it does not know

MAX_WHOLE_SECONDS = 600
"""A longer recording for a model of any length is cut into windows of `LONG_WINDOW_SECONDS`."""

LONG_WINDOW_SECONDS = 30

MAX_CHUNKS = 1000
"""More chunks than this before the samples are not walked."""

MAX_CHANNELS = 64

# What writers to a pipe leave as the length of the samples, which they cannot know: ffmpeg, sox, and others.
_UNKNOWN_SIZES = frozenset({0, 0x7FFFF000, 0x7FFFFFFF, 0xFFFFFFFF})

_PCM, _FLOAT, _EXTENSIBLE = 0x0001, 0x0003, 0xFFFE
_SUBFORMAT_TAIL = bytes.fromhex("000000001000800000aa00389b71")  # behind the two bytes of the format
_WIDTHS = {_PCM: (1, 2, 3, 4), _FLOAT: (4, 8)}
_SCALES = {1: 2.0**-7, 2: 2.0**-15, 3: 2.0**-31, 4: 2.0**-31}  # 24 bits are read into the upper bytes of 32


@dataclass(frozen=True)
class Format:
    """Storage format of the samples.

    Attributes:
        floating: IEEE floats, otherwise integers.
        width: Bytes of one sample of one channel.
        channels: Channels, interleaved.
        rate: Samples a second.
    """

    floating: bool
    width: int
    channels: int
    rate: int

    @property
    def frame(self) -> int:
        """Bytes of one sample of all channels."""
        return self.width * self.channels


@dataclass(frozen=True)
class _Shape:
    """Input shape of the model: samples and channels (None: any number), with or without a channel axis."""

    samples: int | None
    channels: int | None
    with_channels: bool


class WaveformRows:
    """The windows of one waveform, in order, float32; made by `open_waveform`.

    Integers are divided by the largest magnitude of their type, so that they lie in [-1, 1); floats are
    taken by value. The last window may be incomplete: reading it raises a `RowError`.

    Attributes:
        path: The file.
        samples: Samples in the file (of each channel).
        window: Samples in a window.
        single: Whether the whole file is the one input, because the model takes any length.
        row_shape: [samples] or [channels, samples], as the model takes it.
        notes: What the user should know.
    """

    dtype = np.dtype(np.float32)

    def __init__(self, path: Path, stored: Samples, shape: _Shape) -> None:
        self.path = path
        self.samples = stored.samples
        long = shape.samples is None and stored.samples > MAX_WHOLE_SECONDS * stored.rate
        self.single = shape.samples is None and not long
        self.window = shape.samples or (LONG_WINDOW_SECONDS * stored.rate if long else stored.samples)
        channels = stored.channels if shape.channels is None else shape.channels
        self.row_shape = (channels, self.window) if shape.with_channels else (self.window,)
        self.notes = [
            f"waveforms are not resampled: {stored.rate:,} samples a second were met",
            *stored.notes,
        ]
        if long:
            self.notes.append(
                f"recordings of over {MAX_WHOLE_SECONDS // 60} minutes were cut into windows of {LONG_WINDOW_SECONDS} "
                "seconds; the last one ends with the recording"
            )
        self._averaged = channels == 1 and stored.channels == 2
        if self._averaged:
            self.notes.append("stereo waveforms were averaged to one channel")
        self._stored = stored
        self._long = long

    def __len__(self) -> int:
        return (self.samples + self.window - 1) // self.window

    def close(self) -> None:
        """Close the file. May be called twice."""
        self._stored.close()

    def rows(self, start: int, stop: int) -> npt.NDArray[np.float32]:
        """Windows start, ..., stop - 1 as a fresh array [stop - start, *row_shape].

        Raises:
            RowError: If the last window is among them and incomplete.
            InputError: If the file was cut while it is read.
            IndexError: If not 0 <= start <= stop <= len.
        """
        if not 0 <= start <= stop <= len(self):
            raise IndexError(f"windows {start}:{stop} of {len(self)}")
        if stop * self.window > self.samples and not self._long:
            left = self.samples - (stop - 1) * self.window
            raise RowError(
                f"{name_of(self.path)}: holds the last {left:,} samples, but the model takes {self.window:,}"
            )
        out = np.empty((stop - start, *self.row_shape), np.float32)
        channels = out.reshape(stop - start, -1, self.window)
        for row in range(stop - start):
            self._read(min((start + row) * self.window, self.samples - self.window), channels[row])
        return out

    def _read(self, first: int, out: npt.NDArray[np.float32]) -> None:
        """Fill `out` [channels, samples] from sample `first` onwards, in pieces."""
        step = MAX_READ_BYTES // self._stored.frame
        for done in range(0, out.shape[1], step):
            count = min(step, out.shape[1] - done)
            try:
                values = self._stored.read(first + done, count)
            except InputError as error:
                raise InputError(f"{name_of(self.path)}: {error}") from None
            # Rounded to float32 once, and without a warning: what overflows is found and named by the reader.
            with np.errstate(over="ignore", invalid="ignore"):
                piece = values.mean(axis=1, keepdims=True) if self._averaged else values
                out[:, done : done + count] = piece.T


class Samples(Protocol):
    """The samples of one open recording."""

    @property
    def samples(self) -> int:
        """Samples of each channel."""

    @property
    def channels(self) -> int:
        """Channels."""

    @property
    def rate(self) -> int:
        """Samples a second."""

    @property
    def frame(self) -> int:
        """Bytes of one sample of all channels."""

    @property
    def notes(self) -> Sequence[str]:
        """Notes for the user."""

    def read(self, first: int, count: int) -> npt.NDArray[np.float64]:
        """Read samples [count, channels] from sample `first` onwards; InputError without a file name."""

    def close(self) -> None:
        """Close the file. May be called twice."""


class _WavSamples:
    """The samples of a .wav file."""

    def __init__(self, file: BinaryIO, form: Format, start: int, size: int, *, streamed: bool) -> None:
        if size % form.frame:
            raise InputError("ends within a sample")
        self.samples = size // form.frame
        self.channels, self.rate, self.frame = form.channels, form.rate, form.frame
        self.notes = (
            ("waveforms with a streamed header (no length) were read to the end of the file",)
            if streamed
            else ()
        )
        self._file, self._form, self._start = file, form, start

    def close(self) -> None:
        self._file.close()

    def read(self, first: int, count: int) -> npt.NDArray[np.float64]:
        try:
            self._file.seek(self._start + first * self.frame)
            raw = self._file.read(count * self.frame)
        except (OSError, ValueError) as error:
            raise InputError(f"cannot be read ({reason_of(error)})") from None
        if len(raw) < count * self.frame:
            raise InputError("was cut while it was read")
        return _decode(raw, self._form)


class _DecodedSamples:
    """The samples of a compressed recording, decoded by soundfile."""

    notes = ()

    def __init__(self, file: BinaryIO) -> None:
        try:
            import soundfile  # noqa: PLC0415 - optional
        except (ImportError, OSError):  # OSError: its library libsndfile is missing
            raise InputError(
                "is a compressed recording, and reading it needs soundfile; install it with: pip install "
                "'onnx_ood[audio]'"
            ) from None
        self._file = file
        # What libsndfile raises on bytes that it doesn't expect: LibsndfileError, TypeError...
        try:
            self._decoder = soundfile.SoundFile(file)
            self.samples, self.channels = int(self._decoder.frames), int(self._decoder.channels)
            self.rate = int(self._decoder.samplerate)
        except Exception as error:
            raise InputError(f"is not a recording that can be read here ({reason_of(error)})") from None
        if not 0 < self.samples < _MAX_SAMPLES or not 1 <= self.channels <= MAX_CHANNELS or self.rate < 1:
            raise InputError("holds no samples, or states no length")
        self.frame = 8 * self.channels

    def close(self) -> None:
        self._decoder.close()
        self._file.close()

    def read(self, first: int, count: int) -> npt.NDArray[np.float64]:
        try:
            if self._decoder.tell() != first:
                self._decoder.seek(first)
            values: npt.NDArray[np.float64] = self._decoder.read(count, dtype="float64", always_2d=True)
        except Exception as error:
            raise InputError(f"is damaged ({reason_of(error)})") from None
        if len(values) < count:
            raise InputError(f"ends in sample {first + len(values):,} of {self.samples:,}")
        return values


def open_waveform(
    path: Path, *, input_shape: Sequence[int | str | None], dtype: np.dtype[Any] = WaveformRows.dtype
) -> WaveformRows:
    """Open a recording; only headers are read.

    Of .wav files, integers of 8, 16, 24 and 32 bits and floats of 32 and 64 bits are read here; compressed recordings
    by soundfile. If the model takes a fixed number of samples, the file is cut into consecutive windows; if any, the
    file is one input, unless it is longer than `MAX_WHOLE_SECONDS`.

    Args:
        path: The file.
        input_shape: [N, samples] or [N, channels, samples]; other axes than positive integers accept any size.
        dtype: The model's type.

    Raises:
        InputError: If the file is missing, unreadable, truncated, of another format, or doesn't fit.
    """
    name = name_of(path)
    file = open_regular(path)
    try:
        shape = _wanted(input_shape, dtype)
        stored: Samples
        if path.suffix.lower() in COMPRESSED_SUFFIXES:
            stored = _DecodedSamples(file)
        else:
            form, start, size, streamed = _walk(file)
            stored = _WavSamples(file, form, start, size, streamed=streamed)
        _check(stored, shape)
        return WaveformRows(path, stored, shape)
    except InputError as error:
        file.close()
        raise InputError(f"{name}: {error}") from None
    except OSError as error:
        file.close()
        raise InputError(f"{name}: cannot be read ({reason_of(error)})") from None


def _wanted(input_shape: Sequence[int | str | None], dtype: np.dtype[Any]) -> _Shape:
    if dtype.kind != "f":
        raise InputError(f"is a waveform, but the model takes {dtype.name}")
    if len(input_shape) not in (2, 3):
        raise InputError(
            f"is a waveform, but the model takes {shape_text(input_shape)}, "
            "neither [N,samples] nor [N,channels,samples]"
        )
    known = [axis if isinstance(axis, int) and axis > 0 else None for axis in input_shape[1:]]
    return _Shape(known[-1], known[0] if len(known) == 2 else 1, len(known) == 2)


def _check(stored: Samples, shape: _Shape) -> None:
    """InputError if the samples do not fit the model."""
    if not stored.samples:
        raise InputError("holds no samples")
    if shape.channels not in (None, stored.channels) and (shape.channels, stored.channels) != (1, 2):
        raise InputError(f"has {stored.channels} channels, but the model takes {shape.channels}")
    if shape.samples is not None and stored.samples < shape.samples:
        raise InputError(f"holds {stored.samples:,} samples, but the model takes {shape.samples:,}")
    channels = stored.channels if shape.channels is None else shape.channels
    window = min(stored.samples, MAX_WHOLE_SECONDS * stored.rate)
    row_bytes = (shape.samples or window) * channels * WaveformRows.dtype.itemsize
    if row_bytes > MAX_ROW_BYTES:
        raise InputError(f"gives inputs of {row_bytes:,} bytes, over the limit of {MAX_ROW_BYTES:,}")


def _walk(file: BinaryIO) -> tuple[Format, int, int, bool]:
    """Format, place and size of the samples, and whether the header leaves the size open.

    No length is believed that the file doesn't have.
    """
    length = os.fstat(file.fileno()).st_size
    head = file.read(12)
    if len(head) < 12 or head[:4] != b"RIFF" or head[8:] != b"WAVE":
        raise InputError("is not a .wav file (wrong first bytes)")
    promised = struct.unpack_from("<I", head, 4)[0] + 8
    # The length of the whole is not held against the file: a whole data chunk is enough, and is found below.
    form, at = None, 12
    for _ in range(MAX_CHUNKS):
        file.seek(at)
        chunk = file.read(8)
        if len(chunk) < 8:
            raise InputError("has no samples (no data chunk)")
        kind, size = struct.unpack("<4sI", chunk)
        at += 8
        # An empty data chunk is believed if the length of the whole is right.
        unknown = size in _UNKNOWN_SIZES and (size > 0 or promised != length)
        if kind == b"data" and unknown and form is not None:
            left = length - at
            return form, at, left - left % form.frame, True
        if size > length - at:
            raise InputError(f"is truncated: a chunk promises {size:,} bytes, {length - at:,} are left")
        if kind == b"fmt ":
            form = _format(file.read(min(size, 40)))
        elif kind == b"data":
            if form is None:
                raise InputError("has samples before their format")
            return form, at, size, False
        at += size + size % 2
    raise InputError(f"has more than {MAX_CHUNKS:,} chunks before its samples")


def _format(raw: bytes) -> Format:
    if len(raw) < 16:
        raise InputError("has a broken format chunk (its length)")
    kind, channels, rate, _, frame, bits = struct.unpack_from("<HHIIHH", raw)
    if kind == _EXTENSIBLE:
        if len(raw) < 40:
            raise InputError("has a broken format chunk (its length)")
        if raw[26:] != _SUBFORMAT_TAIL:
            raise InputError("is stored in a format that is not known; save it as PCM or float")
        kind = struct.unpack_from("<H", raw, 24)[0]
    if kind not in _WIDTHS:
        raise InputError(f"is compressed or of an unknown format (0x{kind:04x}); save it as PCM or float")
    width, rest = divmod(bits, 8)
    if rest or width not in _WIDTHS[kind]:
        what = "floats" if kind == _FLOAT else "integers"
        raise InputError(f"has {what} of {bits} bits; PCM of 8, 16, 24, 32 and float of 32, 64 are read")
    if not 1 <= channels <= MAX_CHANNELS:
        raise InputError(f"has {channels:,} channels; 1 to {MAX_CHANNELS} are read")
    if frame != channels * width or not rate:
        raise InputError("has a broken format chunk (its numbers contradict each other)")
    return Format(kind == _FLOAT, width, channels, rate)


def _decode(raw: bytes, form: Format) -> npt.NDArray[np.float64]:
    """Decode bytes to float64 [samples, channels], which holds every stored value exactly."""
    if form.floating:
        return np.frombuffer(raw, f"<f{form.width}").astype(np.float64).reshape(-1, form.channels)
    values: npt.NDArray[np.float64]
    if form.width == 3:
        padded = np.zeros((len(raw) // 3, 4), np.uint8)
        padded[:, 1:] = np.frombuffer(raw, np.uint8).reshape(-1, 3)
        values = padded.view("<i4").astype(np.float64)
    elif form.width == 1:  # the one width that is stored unsigned
        values = np.frombuffer(raw, np.uint8).astype(np.float64)
        values -= 128
    else:
        values = np.frombuffer(raw, f"<i{form.width}").astype(np.float64)
    values *= _SCALES[form.width]
    return values.reshape(-1, form.channels)
