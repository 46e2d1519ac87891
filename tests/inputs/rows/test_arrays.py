import io
import os
import struct
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from onnx_ood.exceptions import InputError
from onnx_ood.inputs import ArrayRows, check_row_shape, open_array
from onnx_ood.inputs.rows.arrays import check_type, conversion_note, to_type

any_file = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
TYPES = ["?", "i1", "u1", "<i2", ">i2", "<u4", ">i8", "<f2", "<f4", ">f4", "<f8", ">f8"]


def header(text: str, version: int = 1) -> bytes:
    """An .npy header, by the format's specification (NEP 1)."""
    raw = text.encode("latin-1")
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(raw)) + raw


def described(shape: str, descr: str = "'<f4'", fortran: str = "False") -> str:
    return f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}\n"


def refused(path: Path, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        open_array(path, **options)
    message = str(caught.value)
    assert message.isprintable()
    head = f"{path.as_posix()}: "
    assert message.startswith(head)
    return message.removeprefix(head)


def everything(rows: ArrayRows) -> npt.NDArray[Any]:
    return rows.rows(0, len(rows))


# --- what numpy wrote ------------------------------------------------------------------------------------


@any_file
@given(
    data=st.data(),
    kind=st.sampled_from(TYPES),
    shape=arrays_of.array_shapes(min_dims=1, max_dims=4, max_side=5),
    container=st.sampled_from(["npy", "npz", "compressed"]),
)
def test_rows_are_what_numpy_saved(
    tmp_path: Path, data: st.DataObject, kind: str, shape: tuple[int, ...], container: str
) -> None:
    order: Any = data.draw(st.sampled_from("CF"))
    stored = np.array(data.draw(arrays_of.arrays(np.dtype(kind), shape)), order=order)
    path = tmp_path / ("x.npy" if container == "npy" else "x.npz")
    if container == "npy":
        np.save(path, stored)
    else:
        (np.savez if container == "npz" else np.savez_compressed)(path, some=stored)
    with open_array(path) as rows:
        assert rows.shape == shape
        assert rows.row_shape == shape[1:]
        assert len(rows) == shape[0]
        assert rows.dtype == stored.dtype.newbyteorder("=")
        for _ in range(3):  # forwards and backwards
            start = data.draw(st.integers(0, shape[0]))
            stop = data.draw(st.integers(start, shape[0]))
            got = rows.rows(start, stop)
            assert got.dtype == rows.dtype
            np.testing.assert_array_equal(got, stored[start:stop])


def test_a_file_written_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    values = struct.pack("<6f", 1, 2, 3, 4, 5, 6)
    for text in (
        described("(2, 3)"),
        "{'shape': (2,3), 'fortran_order': False, 'descr': '<f4'}",
        '{"descr": "<f4", "fortran_order": False, "shape": (2, 3)}',
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 3L), }   \n",  # written by Python 2
        described("(2, 3)") + " " * 4000,
    ):
        for version in (1, 2, 3):
            path.write_bytes(header(text, version) + values)
            with open_array(path) as rows:
                assert everything(rows).tolist() == [[1, 2, 3], [4, 5, 6]]
    path.write_bytes(header(described("(2, 3)", fortran="True")) + values)
    with open_array(path) as rows:
        assert everything(rows).tolist() == [[1, 3, 5], [2, 4, 6]]


def test_rows_out_of_range_are_a_bug_of_the_caller(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((3, 2)))
    with open_array(tmp_path / "x.npy") as rows:
        for start, stop in ((-1, 2), (2, 1), (0, 4)):
            with pytest.raises(IndexError):
                rows.rows(start, stop)


# --- fitting the model -----------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_single_sample_becomes_a_row(tmp_path: Path, order: Any) -> None:
    stored = np.array(np.random.default_rng(0).random((3, 4, 5)), order=order)
    np.save(tmp_path / "x.npy", stored)
    with open_array(tmp_path / "x.npy", input_shape=["N", 3, 4, 5]) as rows:
        assert rows.single
        assert rows.shape == (1, 3, 4, 5)
        np.testing.assert_array_equal(everything(rows)[0], stored)
    with open_array(tmp_path / "x.npy", input_shape=["N", 4, 5]) as rows:
        assert not rows.single
        assert len(rows) == 3


def test_a_number_is_a_single_sample_of_a_model_that_takes_numbers(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.float32(7))
    for shape in (["N"], None):
        with open_array(tmp_path / "x.npy", input_shape=shape) as rows:
            assert everything(rows).tolist() == [7]


@pytest.mark.parametrize("shape", [(2, 3, 8, 9), (2, 3, 9), (2, 3, 8, 8, 1), (8, 8, 3), (2,)])
def test_rows_that_do_not_fit_are_refused_with_both_shapes(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "x.npy", np.zeros(shape, np.float32))
    row = ",".join(map(str, shape if len(shape) == 3 else shape[1:]))
    assert refused(tmp_path / "x.npy", input_shape=["N", 3, "H", 8]) == (
        f"has rows of shape [{row}], but the model takes [3,H,8]; "
        "arrays are given exactly as the model takes them"
    )


def test_free_axes_fit_any_size() -> None:
    check_row_shape((3, 7, 8), ["N", 3, None, "W"])
    check_row_shape((3, 7, 8), [1, 3, -1, 0])
    check_row_shape((), ["N"])
    with pytest.raises(InputError, match=r"rows of shape \[3,7,8\], but the model takes \[3,\?,9\]"):
        check_row_shape((3, 7, 8), ["N", 3, None, 9])


# --- archives --------------------------------------------------------------------------------------------


def test_which_array_of_an_archive(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    parts = {
        name: np.full((2, 2), value) for value, name in enumerate(["labels", "images", "pixel_values", "x"])
    }
    np.savez(path, **parts)  # type: ignore[arg-type]

    def taken(name: str | None) -> tuple[str | None, float]:
        with open_array(path, input_name=name) as rows:
            return rows.member, float(everything(rows)[0, 0])

    assert taken("pixel_values") == ("pixel_values", 2)
    assert taken("unknown") == taken(None) == ("images", 1)
    with open_array(path) as rows:
        assert rows.others == ("labels", "pixel_values", "x")
    np.savez(path, unusual=parts["x"])
    assert taken("pixel_values") == ("unusual", 3)


def test_an_archive_in_which_none_can_be_told(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, **{name: np.zeros(1) for name in ("one", "a\x1b[2J", *(f"n{i}" for i in range(9)))})  # type: ignore[arg-type]
    assert refused(path, input_name="pixels") == (
        r"holds several arrays (one, a\x1b[2J, n0, n1, n2, n3, n4, n5 and 3 more) "
        "and it is unclear which to take; "
        "name one 'pixels' or keep one"
    )


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_archives_that_numpy_does_not_write(tmp_path: Path, method: int) -> None:
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("x.npy", header(described("(1,)")) + bytes(4))
    assert "compressed in a way numpy does not use" in refused(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    assert refused(path) == "holds no arrays; save it with numpy.savez"


OBJECTS = "holds Python objects (pickled), which are never read; save numbers"
RECORDS = "holds records (named fields), not numbers; save the one field as an array"


# --- hostile files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not an .npy array (wrong first bytes)"),
        (b"\x93NUMPX\x01\x00", "is not an .npy array (wrong first bytes)"),
        (header(described("(1,)"), 4), "has .npy format version 4, which is not known"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\xff{", "has a broken .npy header (its length)"),
        (b"\x93NUMPY\x01\x00\xff\x00{", "is truncated in its .npy header"),
        (header("x"), "has a broken .npy header"),
        (header("{}"), "has a broken .npy header"),
        (header(described("(2,)") + "()"), "has a broken .npy header"),
        (header(described("(2,)").replace("descr", "desc")), "has a broken .npy header"),
        (header("(" * 60_000), "has a broken .npy header"),
        (header("{'shape':(" + " " * 60_000), "has a broken .npy header"),
        (header("{'shape':(" + "1 " * 30_000), "has a broken .npy header"),
        (header(described("(2,)", descr="True")), "has a broken .npy header"),
        (header(described("2")), "has a broken .npy header"),
        (header(described("(-1,)")), "has a broken .npy header"),
        (header(described("(2,)", fortran="(1,)")), "has a broken .npy header"),
        (header(described("(" + "1," * 40 + ")")), "has 40 axes, more than the 16 that are read"),
        (header(described("(0, 3)")), "holds no values (shape [0,3])"),
        (header(described("(2, 0)")), "holds no values (shape [2,0])"),
        (header(described("(2,)", descr="'|O'")), OBJECTS),
        (header(described("(2,)", descr="[('a', '<f4')]")), RECORDS),
        *(
            (
                header(described("(2,)", descr=f"'{kind}'")),
                f"holds values of type '{kind}'; booleans, integers and 16-, 32- or 64-bit floats are read",
            )
            for kind in ("<c8", "<U3", "|S4", "<M8[s]", "|V2", "<f16", "f3", "<f", "<i16", "zzz")
        ),
        (header(described("(2,)")) + bytes(7), "is truncated"),
        (header(described("(2,)")) + bytes(9), "goes on after its last value"),
        (header(described("(99999999999999999999, 99999999999999999999)")), "is truncated"),
        (header(described("(10000, 10000, 10000)")) + bytes(100), "is truncated"),
    ],
)  # fmt: skip
def test_headers_that_are_broken_or_lie(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "x.npy"
    path.write_bytes(content)
    assert refused(path).split(": its header promises ")[0] == message


def test_lies_are_told_in_bytes(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    start = header(described("(2, 3)"))
    path.write_bytes(start + bytes(23))
    assert refused(path) == (
        f"is truncated: its header promises {len(start) + 24} bytes, it has {len(start) + 23}"
    )


def test_pickles_are_not_opened(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "exploded"),)

    for path in (tmp_path / "x.npy", tmp_path / "x.npz"):
        write = np.save if path.suffix == ".npy" else np.savez
        write(path, np.array([Bomb()], dtype=object))
        assert "holds Python objects (pickled), which are never read" in refused(path)
    assert not (tmp_path / "exploded").exists()


def sample(suffix: str) -> bytes:
    buffer = io.BytesIO()
    stored = np.arange(60, dtype=np.float32).reshape(5, 3, 4)
    if suffix == ".npy":
        np.save(buffer, stored)
    else:
        np.savez_compressed(buffer, x=stored, labels=np.arange(5))
    return buffer.getvalue()


def read_somehow(path: Path) -> npt.NDArray[Any] | None:
    try:
        with open_array(path) as rows:
            assert len(rows) * max(1, rows.row_shape[0] if rows.row_shape else 1) < 10**6
            return everything(rows)
    except InputError as error:
        assert str(error).isprintable()  # noqa: PT017
        return None


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_every_truncation_is_refused(tmp_path: Path, suffix: str) -> None:
    content = sample(suffix)
    path = tmp_path / f"x{suffix}"
    for length in range(len(content)):
        path.write_bytes(content[:length])
        assert read_somehow(path) is None, length
    path.write_bytes(content)
    assert read_somehow(path) is not None


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
@settings(any_file, max_examples=300)
@given(data=st.data())
def test_damaged_files_raise_nothing_but_input_errors(
    tmp_path: Path, suffix: str, data: st.DataObject
) -> None:
    content = bytearray(sample(suffix))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / f"x{suffix}").write_bytes(content)
    read_somehow(tmp_path / f"x{suffix}")


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
@any_file
@given(
    content=st.binary(max_size=300),
    head=st.sampled_from([b"", b"\x93NUMPY\x01\0", b"\x93NUMPY\x02\0", b"PK\3\4", b"PK\5\6"]),
)
def test_random_bytes_raise_nothing_but_input_errors(
    tmp_path: Path, suffix: str, content: bytes, head: bytes
) -> None:
    (tmp_path / f"x{suffix}").write_bytes(head + content)
    assert read_somehow(tmp_path / f"x{suffix}") is None


@any_file
@given(text=st.text(st.sampled_from("{}()'\": ,descrfotan_shp01L<>|4\\\n"), max_size=60))
def test_random_headers_raise_nothing_but_input_errors(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.npy").write_bytes(header(text))
    read_somehow(tmp_path / "x.npy")


def test_damage_in_the_values_is_found_by_the_checksum(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, x=np.zeros((50, 100)))
    content = bytearray(path.read_bytes())
    content[20_000] ^= 1
    path.write_bytes(content)
    with open_array(path) as rows, pytest.raises(InputError, match=r"is damaged .*CRC"):
        everything(rows)


def test_a_file_that_shrinks_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    np.save(path, np.zeros((1000, 1000)))
    with open_array(path) as rows:
        rows.rows(0, 1)
        os.truncate(path, 400_000)
        with pytest.raises(InputError, match=r"x.npy: ends in row 49"):
            everything(rows)


def archive_claiming(path: Path, start: bytes, values: bytes, claimed: int) -> None:
    """An archive of one array whose directory states `claimed` bytes for it."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", start + values)
    content = bytearray(path.read_bytes())
    at = content.rindex(b"PK\1\2") + 24  # uncompressed size in the central directory
    assert struct.unpack_from("<I", content, at)[0] == len(start) + len(values)
    content[at : at + 4] = struct.pack("<I", claimed)
    path.write_bytes(content)


def test_an_archive_whose_header_claims_100_gb(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    start = header(described("(50000, 500000)"))
    archive_claiming(path, start, bytes(1000), len(start) + 1000)
    assert "is truncated: its header promises 100,000,000," in refused(path)


def test_an_archive_whose_header_and_directory_claim_4_gb(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    start = header(described("(4000000, 250)"))
    archive_claiming(path, start, bytes(2500), len(start) + 4_000_000_000)
    with open_array(path) as rows:
        assert len(rows) == 4_000_000
        with pytest.raises(InputError, match=r"x.npz: "):
            rows.rows(0, 10)


def test_a_zip_bomb_is_streamed_in_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "bomb.npz"
    rows_of, row = 100, 1 << 20
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("x.npy", "w") as member,
    ):
        member.write(header(described(f"({rows_of}, {row})", descr="'|u1'")))
        for _ in range(rows_of):
            member.write(bytes(row))
    assert path.stat().st_size < rows_of * row / 100
    tracemalloc.start()
    try:
        with open_array(path) as rows:
            for index in range(len(rows)):
                assert not rows.rows(index, index + 1).any()
            assert rows.rows(3, 4).shape == (1, row)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * row


def test_a_row_too_large_is_refused_by_its_header(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    path.write_bytes(header(described("(2, 70000000)")))
    os.truncate(path, path.stat().st_size + 560_000_000)  # sparse
    assert refused(path) == "has rows of 280,000,000 bytes, over the limit of 268,435,456"
    path.write_bytes(header(described("(140000, 1000)", fortran="True")))
    os.truncate(path, path.stat().st_size + 560_000_000)
    assert refused(path) == "is large and stored column by column; save it with numpy.ascontiguousarray first"


def test_an_archive_s_directory_does_not_fill_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for index in range(25_000):
            archive.writestr(f"{index:05}.npy", b"")
    tracemalloc.start()
    try:
        assert "cannot be read as an array file" in refused(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 30e6


def test_what_is_no_file(tmp_path: Path) -> None:
    for suffix in (".npy", ".npz"):
        assert refused(tmp_path / f"gone{suffix}") == "no such file; check the path"
        os.mkfifo(tmp_path / f"pipe{suffix}")
        assert refused(tmp_path / f"pipe{suffix}") == "is not a regular file (a pipe or a device)"
    assert refused(tmp_path) == "is a folder, not a file"


# --- types -----------------------------------------------------------------------------------------------


def test_values_go_to_floats_as_they_are() -> None:
    got, bad = to_type(np.array([[0, 128, 255]], np.uint8), np.dtype(np.float32))
    assert got.dtype == np.float32
    assert got.tolist() == [[0, 128, 255]]
    assert bad.tolist() == [False]
    assert to_type(np.array([[0.1]]), np.dtype(np.float32))[0][0, 0] == np.float32(0.1)
    assert to_type(np.array([True]), np.dtype(np.float16))[0].tolist() == [1]
    note = conversion_note(np.dtype(np.uint8), np.dtype(np.float32))
    assert note == "arrays of uint8 are handed to the float32 input by value, not scaled to 0-1"
    assert conversion_note(np.dtype(np.float64), np.dtype(np.float32)) is None


def test_rows_without_numbers_are_marked() -> None:
    rows = np.array([[1, 2], [np.nan, 0], [0, -np.inf], [1e300, 0], [3, 4]])
    got, bad = to_type(rows, np.dtype(np.float32))
    assert bad.tolist() == [False, True, True, True, False]
    assert got[4].tolist() == [3, 4]
    assert to_type(np.array([7e4, 1.0]), np.dtype(np.float16))[1].tolist() == [True, False]


@settings(deadline=None)
@given(
    values=st.lists(st.integers(-(2**63), 2**64 - 1), min_size=1, max_size=5),
    target=st.sampled_from(["i1", "u1", "i4", "u4", "i8", "u8"]),
)
def test_integers_that_do_not_fit_are_marked(values: list[int], target: str) -> None:
    for source in ("i8", "u8"):
        limits = np.iinfo(source)
        inside = [value for value in values if limits.min <= value <= limits.max]
        rows = np.array(inside, source).reshape(-1, 1)
        got, bad = to_type(rows, np.dtype(target))
        wanted = np.iinfo(target)
        assert bad.tolist() == [not wanted.min <= value <= wanted.max for value in inside]
        assert got[~bad, 0].tolist() == [value for value, wrong in zip(inside, bad, strict=True) if not wrong]


@pytest.mark.parametrize(
    ("source", "target"), [("f4", "i8"), ("f4", "u1"), ("i4", "?"), ("f4", "?"), ("f4", "O"), ("u1", "U1")]
)
def test_conversions_that_are_not_by_value_are_refused(source: str, target: str) -> None:
    with pytest.raises(InputError, match=r"^holds \w+, but the model takes \w+; save it as \w+$"):
        check_type(np.dtype(source), np.dtype(target))


@pytest.mark.parametrize(
    ("source", "target"), [("f8", "f4"), ("u1", "f4"), ("?", "f2"), ("i8", "i4"), ("?", "i8"), ("?", "?")]
)
def test_conversions_by_value_pass(source: str, target: str) -> None:
    check_type(np.dtype(source), np.dtype(target))


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_rows_along_another_axis(tmp_path: Path, order: Any, suffix: str) -> None:
    stored = np.asarray(np.random.default_rng(0).random((20, 3, 5)), order=order)
    path = tmp_path / f"x.{suffix}"
    np.save(path, stored) if suffix == "npy" else np.savez(path, x=stored)
    with open_array(path, input_shape=("batch", "time", 5), axis=1) as rows:
        assert (len(rows), rows.row_shape, rows.single) == (3, (20, 5), False)
        np.testing.assert_array_equal(everything(rows), stored.transpose(1, 0, 2))
        np.testing.assert_array_equal(rows.rows(1, 2)[0], stored[:, 1])
    np.save(tmp_path / "one.npy", stored[:, 1])
    with open_array(tmp_path / "one.npy", input_shape=("batch", "time", 5), axis=1) as rows:
        assert rows.single
        np.testing.assert_array_equal(everything(rows), stored[np.newaxis, :, 1])
    assert "rows of shape [3,5]" in refused(path, input_shape=("time", "batch", 6), axis=0)
