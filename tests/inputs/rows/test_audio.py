import os
import struct
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.io import wavfile

from onnx_ood.exceptions import InputError
from onnx_ood.inputs import open_waveform

any_file = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
MONO: tuple[Any, ...] = ("N", "samples")
GUID = bytes.fromhex("000000001000800000aa00389b71")
RATE = 16_000


def chunk(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


def riff(*chunks: bytes) -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def form(tag: int, bits: int, channels: int = 1, rate: int = RATE, extended: bool = False) -> bytes:
    frame = channels * bits // 8
    plain = struct.pack(
        "<HHIIHH", 0xFFFE if extended else tag, channels, rate, rate * frame & 0xFFFFFFFF, frame, bits
    )
    return chunk(b"fmt ", plain + (struct.pack("<HHIH", 22, bits, 0, tag) + GUID if extended else b""))


def pcm(values: Any, bits: int = 16, channels: int = 1) -> bytes:
    """A file written by hand: little-endian integers, 8 bits unsigned."""
    offset = 128 if bits == 8 else 0
    raw = b"".join((int(v) + offset).to_bytes(bits // 8, "little", signed=bits > 8) for v in values)
    return riff(form(1, bits, channels), chunk(b"data", raw))


def saved(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def everything(path: Path, shape: tuple[Any, ...] = MONO) -> npt.NDArray[Any]:
    rows = open_waveform(path, input_shape=shape)
    try:
        assert rows.dtype == np.float32
        got = rows.rows(0, len(rows))
        assert got.dtype == np.float32
        assert got.shape == (len(rows), *rows.row_shape)
        return got
    finally:
        rows.close()
        rows.close()


def refused(path: Path, shape: tuple[Any, ...] = MONO, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        open_waveform(path, input_shape=shape, **options)
    message = str(caught.value)
    assert message.isprintable()
    head = f"{path.as_posix()}: "
    assert message.startswith(head)
    return message.removeprefix(head)


# --- what others wrote -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "offset", "scale"),
    [("u1", 128, 2**7), ("<i2", 0, 2**15), ("<i4", 0, 2**31), ("<f4", 0, 1), ("<f8", 0, 1)],
)
@pytest.mark.parametrize("channels", [1, 2, 5])
def test_samples_are_what_scipy_saved(
    tmp_path: Path, kind: str, offset: int, scale: float, channels: int
) -> None:
    dtype, rng = np.dtype(kind), np.random.default_rng(0)
    if dtype.kind == "f":
        stored = rng.uniform(-1, 1, (1001, channels)).astype(dtype)
    else:
        limits = np.iinfo(dtype)
        stored = rng.integers(limits.min, limits.max, (1001, channels), dtype, endpoint=True)
        stored[:2, 0] = limits.min, limits.max
    path = tmp_path / "x.wav"
    wavfile.write(path, RATE, stored)
    expected = ((stored.astype(np.longdouble) - offset) / scale).T
    got = everything(path, ("N", "channels", "samples"))
    np.testing.assert_array_equal(got, expected.astype(np.float32)[np.newaxis])
    assert np.abs(got).max() <= 1
    if channels <= 2:
        for shape in (MONO, ("N", 1, "samples")):
            mono = everything(path, shape)
            np.testing.assert_array_equal(mono.ravel(), expected.mean(axis=0).astype(np.float32))
            assert mono.shape == (1, *([1] if len(shape) == 3 else []), 1001)


@pytest.mark.parametrize("bits", [8, 16, 24, 32])
@pytest.mark.parametrize("extended", [False, True])
def test_integers_written_by_hand(tmp_path: Path, bits: int, extended: bool) -> None:
    top = 2 ** (bits - 1)
    values = [0, 1, -1, top - 1, -top, top // 2, -top // 4]
    content = pcm(values, bits)
    if extended:
        content = riff(form(1, bits, extended=True), content[content.index(b"data") :])
    np.testing.assert_array_equal(
        everything(saved(tmp_path / "x.wav", content))[0], np.array([v / top for v in values], np.float32)
    )


def test_chunks_that_do_not_matter_are_passed_over(tmp_path: Path) -> None:
    data = chunk(b"data", struct.pack("<3h", 1, 2, 3))
    noise = chunk(b"LIST", b"odd")
    content = riff(noise, form(1, 16), noise, chunk(b"fact", bytes(4)), data, noise)
    for tail in (b"", b"written behind"):
        got = everything(saved(tmp_path / "x.wav", content + tail))
        assert (got[0] * 2**15).tolist() == [1, 2, 3]


def test_floats_are_taken_by_value_and_nan_is_left_to_the_reader(tmp_path: Path) -> None:
    stored = np.array([2.5, -7, np.nan, np.inf, 1e300])
    wavfile.write(tmp_path / "x.wav", RATE, stored)
    np.testing.assert_array_equal(
        everything(tmp_path / "x.wav")[0], np.array([2.5, -7, np.nan, np.inf, np.inf], np.float32)
    )


def test_what_the_user_should_know(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.wav", pcm([1, 2], channels=2))
    rate = "waveforms are not resampled: 16,000 samples a second were met"
    for shape, notes in (
        (MONO, [rate, "stereo waveforms were averaged to one channel"]),
        (("N", 2, None), [rate]),
        (("N", None, None), [rate]),
    ):
        rows = open_waveform(path, input_shape=shape)
        rows.close()
        assert rows.notes == notes


# --- windows ---------------------------------------------------------------------------------------------


@any_file
@given(
    samples=st.integers(1, 60),
    window=st.integers(1, 20),
    bits=st.sampled_from([8, 16, 24, 32]),
    channels=st.integers(1, 2),
)
def test_windows_cover_the_file_exactly(
    tmp_path: Path, samples: int, window: int, bits: int, channels: int
) -> None:
    values = np.arange(samples * channels) % 200 - 100
    path = saved(tmp_path / "x.wav", pcm(values, bits, channels))
    shape = ("N", channels, window)
    if samples < window:
        assert refused(path, shape) == f"holds {samples} samples, but the model takes {window}"
        return
    rows = open_waveform(path, input_shape=shape)
    full, left = divmod(samples, window)
    assert not rows.single
    assert len(rows) == full + (left > 0)
    np.testing.assert_array_equal(
        rows.rows(0, full), np.concatenate([rows.rows(k, k + 1) for k in range(full)])
    )
    got = rows.rows(0, full).transpose(0, 2, 1).reshape(-1) * 2 ** (bits - 1)
    np.testing.assert_array_equal(got, values[: full * window * channels])
    if left:
        with pytest.raises(InputError) as caught:
            rows.rows(full, full + 1)
        assert str(caught.value) == (
            f"{path.as_posix()}: holds the last {left} samples, but the model takes {window}"
        )
    rows.close()


def test_a_model_of_any_length_takes_the_whole_file(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.wav", pcm(range(1000)))
    for free in ("samples", None, -1, 0):
        rows = open_waveform(path, input_shape=("N", free))
        assert (rows.single, len(rows), rows.row_shape) == (True, 1, (1000,))
        rows.close()


def test_rows_out_of_range_are_a_bug_of_the_caller(tmp_path: Path) -> None:
    rows = open_waveform(saved(tmp_path / "x.wav", pcm(range(30))), input_shape=("N", 10))
    for start, stop in ((-1, 2), (2, 1), (0, 4)):
        with pytest.raises(IndexError):
            rows.rows(start, stop)
    rows.close()


def test_windows_longer_than_one_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onnx_ood.inputs.rows.audio.MAX_READ_BYTES", 13)
    values = np.arange(50)
    path = saved(tmp_path / "x.wav", pcm(values, 24, 2))
    got = everything(path, ("N", 2, None))
    np.testing.assert_array_equal(got[0].T.ravel() * 2**23, values)


# --- what does not fit -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (("N", 3, 8, 8), "is a waveform, but the model takes [N,3,8,8], neither [N,samples] nor [N,channels,samples]"),
        (("N",), "is a waveform, but the model takes [N], neither [N,samples] nor [N,channels,samples]"),
        (("N", 3, None), "has 2 channels, but the model takes 3"),
        (("N", 100), "holds 2 samples, but the model takes 100"),
    ],
)  # fmt: skip
def test_files_that_do_not_fit(tmp_path: Path, shape: tuple[Any, ...], message: str) -> None:
    path = saved(tmp_path / "x.wav", pcm([1, 2, 3, 4], channels=2))
    assert refused(path, shape) == message
    assert refused(path, dtype=np.dtype(np.int64)) == "is a waveform, but the model takes int64"


def test_inputs_that_would_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onnx_ood.inputs.rows.audio.MAX_ROW_BYTES", 399)
    path = saved(tmp_path / "x.wav", pcm(range(100)))
    for shape in (MONO, ("N", 100)):
        assert refused(path, shape) == "gives inputs of 400 bytes, over the limit of 399"
    assert everything(path, ("N", 50)).shape == (2, 50)


# --- hostile files ---------------------------------------------------------------------------------------


DATA = chunk(b"data", bytes(8))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not a .wav file (wrong first bytes)"),
        (b"RIFX" + riff(form(1, 16), DATA)[4:], "is not a .wav file (wrong first bytes)"),
        (riff(form(1, 16), DATA)[:-1], "is truncated: a chunk promises 8 bytes, 7 are left"),
        (riff(form(1, 16)), "has no samples (no data chunk)"),
        (riff(DATA, form(1, 16)), "has samples before their format"),
        (riff(form(1, 16), chunk(b"data", b"")), "holds no samples"),
        (riff(form(1, 16), chunk(b"data", b"123")), "ends within a sample"),
        (riff(form(1, 16), b"data" + b"\xfe" + b"\xff" * 3 + bytes(8)),
         "is truncated: a chunk promises 4,294,967,294 bytes, 8 are left"),
        (riff(b"LIST" + b"\xff" * 4), "is truncated: a chunk promises 4,294,967,295 bytes, 0 are left"),
        (riff(*[chunk(b"junk", b"")] * 1001, form(1, 16), DATA), "has more than 1,000 chunks before its samples"),
        (riff(chunk(b"fmt ", bytes(15)), DATA), "has a broken format chunk (its length)"),
        (riff(chunk(b"fmt ", b"\xfe\xff" + bytes(16)), DATA), "has a broken format chunk (its length)"),
        (riff(form(1, 16, extended=True).replace(GUID, bytes(14)), DATA),
         "is stored in a format that is not known; save it as PCM or float"),
        (riff(form(0x55, 16), DATA), "is compressed or of an unknown format (0x0055); save it as PCM or float"),
        (riff(form(1, 12), DATA), "has integers of 12 bits; PCM of 8, 16, 24, 32 and float of 32, 64 are read"),
        (riff(form(1, 64), DATA), "has integers of 64 bits; PCM of 8, 16, 24, 32 and float of 32, 64 are read"),
        (riff(form(3, 16), DATA), "has floats of 16 bits; PCM of 8, 16, 24, 32 and float of 32, 64 are read"),
        (riff(form(1, 0), DATA), "has integers of 0 bits; PCM of 8, 16, 24, 32 and float of 32, 64 are read"),
        (riff(form(1, 16, 0), DATA), "has 0 channels; 1 to 64 are read"),
        (riff(form(1, 8, 65), DATA), "has 65 channels; 1 to 64 are read"),
        (riff(form(1, 16, rate=0), DATA), "has a broken format chunk (its numbers contradict each other)"),
    ],
)  # fmt: skip
def test_headers_that_are_broken_or_lie(tmp_path: Path, content: bytes, message: str) -> None:
    assert refused(saved(tmp_path / "x.wav", content)) == message


def test_files_that_are_none(tmp_path: Path) -> None:
    assert refused(tmp_path / "gone.wav") == "no such file; check the path"
    (tmp_path / "folder.wav").mkdir()
    assert refused(tmp_path / "folder.wav") == "is a folder, not a file"


def test_a_file_that_shrinks_while_it_is_read(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.wav", pcm(range(20_000)))
    rows = open_waveform(path, input_shape=("N", 10_000))
    rows.rows(0, 1)
    os.truncate(path, 25_000)
    with pytest.raises(InputError, match=r"x.wav: was cut while it was read"):
        rows.rows(1, 2)
    rows.close()


SAMPLE = riff(
    form(1, 24, 2, extended=True),
    chunk(b"LIST", b"abc"),
    chunk(b"data", bytes(range(60))),
    chunk(b"id3 ", b"x"),
)


def read_somehow(path: Path, shape: tuple[Any, ...]) -> npt.NDArray[Any] | None:
    try:
        rows = open_waveform(path, input_shape=shape)
    except InputError as error:
        assert str(error).isprintable()  # noqa: PT017
        assert str(error).startswith(f"{path.as_posix()}: ")  # noqa: PT017
        return None
    try:
        assert rows.samples < 1000
        return np.concatenate([rows.rows(k, k + 1) for k in range(rows.samples // rows.window)])
    finally:
        rows.close()


@pytest.mark.parametrize(
    "unknown", [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x00\xf0\xff\x7f", b"\xff\xff\xff\x7f"]
)
def test_streamed_headers_are_read_to_the_end(tmp_path: Path, unknown: bytes) -> None:
    values = np.arange(-8, 8, dtype="<i2")
    whole = b"RIFF" + unknown + b"WAVE" + form(1, 16) + b"data" + unknown + values.tobytes()
    # A last half sample, of a writer that was killed, is left out.
    path = saved(tmp_path / "x.wav", whole + b"\1")
    rows = open_waveform(path, input_shape=MONO)
    np.testing.assert_array_equal(rows.rows(0, 1)[0], values / 2**15)
    assert rows.notes[-1] == "waveforms with a streamed header (no length) were read to the end of the file"
    rows.close()


@pytest.mark.parametrize("promised", [0, 8, 44, 60, 2**32 - 1])
def test_a_wrong_length_of_the_whole_is_no_reason(tmp_path: Path, promised: int) -> None:
    content = pcm([1, 2, 3])
    wrong = content[:4] + struct.pack("<I", promised) + content[8:]
    np.testing.assert_array_equal(
        everything(saved(tmp_path / "x.wav", wrong)), everything(saved(tmp_path / "y.wav", content))
    )


def test_every_truncation_of_the_samples_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    end = SAMPLE.index(bytes(range(60))) + 60
    for length in range(end):
        assert read_somehow(saved(path, SAMPLE[:length]), ("N", 3)) is None, length
    for length in range(end, len(SAMPLE)):  # behind them nothing matters
        assert read_somehow(saved(path, SAMPLE[:length]), ("N", 3)) is not None, length
    assert read_somehow(saved(path, SAMPLE), ("N", 3)) is not None


@settings(any_file, max_examples=500)
@given(data=st.data(), shape=st.sampled_from([("N", 3), ("N", None), ("N", 2, 4), ("N", None, None)]))
def test_damaged_files_raise_nothing_but_input_errors(
    tmp_path: Path, data: st.DataObject, shape: tuple[Any, ...]
) -> None:
    content = bytearray(SAMPLE)
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    read_somehow(saved(tmp_path / "x.wav", bytes(content)), shape)


@any_file
@given(content=st.binary(max_size=200), head=st.sampled_from([b"", b"RIFF", riff()[:12], riff(form(3, 32))]))
def test_random_bytes_raise_nothing_but_input_errors(tmp_path: Path, content: bytes, head: bytes) -> None:
    read_somehow(saved(tmp_path / "x.wav", head + content), MONO)


def test_memory_is_that_of_a_window_not_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    size = 1 << 28  # of zeros; sparse on disk
    path.write_bytes(riff(form(1, 16), chunk(b"data", b""))[:-4] + struct.pack("<I", size))
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size + size)
    tracemalloc.start()
    try:
        rows = open_waveform(path, input_shape=("N", 1 << 20))
        assert len(rows) == 128
        for row in (0, 1, 127):
            assert not rows.rows(row, row + 1).any()
        rows.close()
        assert tracemalloc.get_traced_memory()[1] < 40 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("suffix", [".flac", ".ogg"])
def test_compressed_recordings_equal_what_soundfile_reads(tmp_path: Path, suffix: str) -> None:
    soundfile = pytest.importorskip("soundfile")
    wave = np.sin(np.arange(3000) / 9)[:, None] * [0.5, 0.25]
    path = tmp_path / f"x{suffix}"
    soundfile.write(path, wave, RATE)
    want, _ = soundfile.read(path, dtype="float64", always_2d=True)
    np.testing.assert_allclose(everything(path, ("N", 2, None))[0], want.T, atol=1e-7)
    windows = everything(path, ("N", 1, 1000))
    np.testing.assert_allclose(windows[:, 0].ravel(), want.mean(1), atol=1e-7)
    if suffix == ".flac":  # lossless: the samples of a .wav
        wavfile.write(tmp_path / "x.wav", RATE, (wave * 2**15).round().astype(np.int16))
        np.testing.assert_allclose(want, wave, atol=2**-15)
    path.write_bytes(path.read_bytes()[:60])
    assert "x" in refused(path)


def test_compressed_recordings_without_soundfile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "soundfile", None)
    assert refused(saved(tmp_path / "x.flac", b"fLaC")).endswith(
        "is a compressed recording, and reading it needs soundfile; install it with: pip install 'onnx_ood[audio]'"
    )


def test_long_recordings_for_a_model_of_any_length_are_cut(tmp_path: Path) -> None:
    values = np.arange(610 * 20, dtype=np.int16)  # 610 seconds at 20 samples a second
    wavfile.write(tmp_path / "x.wav", 20, values)
    rows = open_waveform(tmp_path / "x.wav", input_shape=MONO)
    assert (len(rows), rows.row_shape, rows.single) == (21, (600,), False)
    got = rows.rows(0, 21) * 2**15
    np.testing.assert_array_equal(got[:20].ravel(), values[:12000])
    np.testing.assert_array_equal(got[20], values[-600:])
    assert rows.notes[-1].startswith("recordings of over 10 minutes were cut into windows of 30 seconds")
    rows.close()
    wavfile.write(tmp_path / "y.wav", 20, values[:12000])
    assert everything(tmp_path / "y.wav").shape == (1, 12000)
