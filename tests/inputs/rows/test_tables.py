import builtins
import io
import struct
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of
from pyarrow import parquet

from onnx_ood.exceptions import InputError
from onnx_ood.inputs import TableRows, open_table

any_file = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
F4 = np.dtype(np.float32)
INTS = ["?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"]


def saved(path: Path, columns: Any, **options: Any) -> Path:
    parquet.write_table(columns if isinstance(columns, pa.Table) else pa.table(columns), path, **options)
    return path


def opened(path: Path, features: Any = None, dtype: npt.DTypeLike = F4) -> TableRows:
    return open_table(path, input_shape=("N", features), dtype=np.dtype(dtype))


def everything(path: Path, features: Any = None, dtype: npt.DTypeLike = F4) -> npt.NDArray[Any]:
    rows = opened(path, features, dtype)
    try:
        got = rows.rows(0, len(rows))
        assert got.dtype == rows.dtype == dtype
        return got
    finally:
        rows.close()
        rows.close()


def refused(path: Path, features: Any = None, dtype: npt.DTypeLike = F4) -> str:
    with pytest.raises(InputError) as caught:
        opened(path, features, dtype)
    message = str(caught.value)
    assert message.isprintable()
    head = f"{path.as_posix()}: "
    assert message.startswith(head)
    return message.removeprefix(head)


# --- what pyarrow wrote ----------------------------------------------------------------------------------


@any_file
@given(
    data=st.data(),
    kinds=st.lists(st.sampled_from([*INTS, "f2", "f4", "f8"]), min_size=1, max_size=5),
    count=st.integers(1, 40),
    group=st.integers(1, 20),
    decoded=st.integers(1, 300),
)
def test_rows_are_what_pyarrow_saved(
    tmp_path: Path, data: st.DataObject, kinds: list[str], count: int, group: int, decoded: int
) -> None:
    def values(kind: str) -> Any:
        return st.floats(-100, 100, width=16) if kind[0] == "f" else None

    stored = [data.draw(arrays_of.arrays(kind, count, elements=values(kind))) for kind in kinds]
    table = pa.Table.from_arrays([pa.array(one) for one in stored], [f"c{i}" for i in range(len(kinds))])
    path = saved(tmp_path / "x.parquet", table, row_group_size=group)
    expected = np.stack([one.astype(np.float64) for one in stored], axis=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("onnx_ood.inputs.rows.tables._DECODED_BYTES", decoded)
        with closing(opened(path, len(kinds), np.float64)) as rows:
            assert len(rows) == count
            for _ in range(4):  # forwards and backwards
                start = data.draw(st.integers(0, count))
                stop = data.draw(st.integers(start, count))
                np.testing.assert_array_equal(rows.rows(start, stop), expected[start:stop])


@pytest.mark.parametrize("compression", ["none", "snappy", "gzip", "zstd"])
@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_however_it_is_compressed(tmp_path: Path, compression: str, version: str) -> None:
    stored = np.random.default_rng(0).standard_normal((500, 3)).astype(np.float32)
    path = saved(
        tmp_path / "x.parquet",
        dict(zip("abc", stored.T, strict=True)),
        compression=compression,
        data_page_version=version,
        data_page_size=100,
        write_page_checksum=True,
    )
    np.testing.assert_array_equal(everything(path, 3), stored)


def test_whole_numbers_keep_every_digit_beside_nulls(tmp_path: Path) -> None:
    big = 2**63 - 1
    path = saved(tmp_path / "x.parquet", {"a": [big, None, 5], "b": pa.array([1, 2, 3], pa.uint8())})
    rows = opened(path, 2, np.int64)
    assert rows.rows(0, 1).tolist() == [[big, 1]]
    assert rows.rows(2, 3).tolist() == [[5, 3]]
    rows.close()


def test_rows_that_can_not_be_used_are_named_with_the_column(tmp_path: Path) -> None:
    path = saved(
        tmp_path / "x.parquet",
        {
            "a": [1.0, None, float("nan"), 4.0, 5.0],
            "b": pa.array([True, False, True, None, True]),
            "c": pa.array([1, 2, 3, 4, None], pa.int16()),
        },
    )
    rows = opened(path, 3)
    assert rows.rows(0, 1).tolist() == [[1, 1, 1]]
    for row, message in (
        (1, "column 'a' is empty (null)"),
        (2, "column 'a' holds NaN, infinity or a value outside the range of float32"),
        (3, "column 'b' is empty (null)"),
        (4, "column 'c' is empty (null)"),
    ):
        with pytest.raises(InputError) as caught:
            rows.rows(row, row + 1)
        assert str(caught.value) == f"{path.as_posix()}: {message}"
    rows.close()
    rows = opened(saved(path, {"a": [1, 300]}), 1, np.uint8)
    assert rows.rows(0, 1).tolist() == [[1]]
    with pytest.raises(InputError, match="outside the range of uint8"):
        rows.rows(1, 2)
    rows.close()


def test_half_floats_with_nulls(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.parquet", {"a": pa.array([np.float16(1.5), None], pa.float16())})
    rows = opened(path)
    assert rows.rows(0, 1).tolist() == [[1.5]]
    with pytest.raises(InputError, match="is empty"):
        rows.rows(1, 2)
    rows.close()


def test_rows_out_of_range_are_a_bug_of_the_caller(tmp_path: Path) -> None:
    rows = opened(saved(tmp_path / "x.parquet", {"a": [1, 2, 3]}))
    for start, stop in ((-1, 2), (2, 1), (0, 4)):
        with pytest.raises(IndexError):
            rows.rows(start, stop)
    rows.close()


# --- what does not fit -----------------------------------------------------------------------------------


def test_the_number_of_columns_has_to_be_that_of_the_features(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.parquet", {"one": [1], "a\x1b[2J": [2]})
    assert refused(path, 3) == r"has 2 columns (one, a\x1b[2J), but the model takes 3 features"
    assert everything(path, "features").shape == (1, 2)
    wide = saved(tmp_path / "y.parquet", {f"c{i}": [1] for i in range(30)})
    assert refused(wide, 3) == (
        "has 30 columns (c0, c1, c2, c3, c4, c5, c6, c7 and 22 more), but the model takes 3 features"
    )


@pytest.mark.parametrize("name", [None, "customer"])
@pytest.mark.parametrize("labels", [[7, 3, 5], ["x", "y", "z"]])
def test_the_index_of_a_data_frame_is_no_feature(tmp_path: Path, name: str | None, labels: list[Any]) -> None:
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    frame = pd.DataFrame(values, columns=[*"abcd"], index=pd.Index(labels, name=name))
    frame.to_parquet(tmp_path / "x.parquet")
    assert len(parquet.read_schema(tmp_path / "x.parquet")) == 5
    np.testing.assert_array_equal(everything(tmp_path / "x.parquet", 4), values)
    with closing(opened(tmp_path / "x.parquet")) as rows:
        assert rows.columns == ("a", "b", "c", "d")
        assert rows.notes == ("the index that pandas stores in tables was left out",)
    frame.reset_index(drop=True).to_parquet(tmp_path / "y.parquet")
    np.testing.assert_array_equal(everything(tmp_path / "y.parquet", 4), values)


@pytest.mark.parametrize(
    "stored", [b"no json", b"[]", b"{}", b'{"index_columns": 3}', b'{"index_columns": [{}, 3]}']
)
def test_damaged_notes_of_pandas_leave_all_columns(tmp_path: Path, stored: bytes) -> None:
    table = pa.table({"a": [1.0], "b": [2.0]}).replace_schema_metadata({b"pandas": stored})
    np.testing.assert_array_equal(everything(saved(tmp_path / "x.parquet", table), 2), [[1, 2]])


def test_columns_that_hold_no_numbers_are_named(tmp_path: Path) -> None:
    path = saved(
        tmp_path / "x.parquet",
        {"x": [1], "name": ["a"], "when": pa.array([0], pa.timestamp("s")), "list": [[1]]},
    )
    assert refused(path, 1) == (
        "has columns that hold no numbers: name (string), when (timestamp[ms]), list (list<element: int64>); "
        "drop or encode them"
    )


def test_types_that_can_not_be_handed_over(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.parquet", {"a": [1], "b": [1.5]})
    assert refused(path, 2, np.int64) == (
        "column 'b' holds float64, but the model takes int64; save it as int64"
    )


@pytest.mark.parametrize("shape", [("N",), ("N", 1, 2), ("N", 3, 8, 8)])
def test_models_that_take_no_tables(tmp_path: Path, shape: tuple[Any, ...]) -> None:
    path = saved(tmp_path / "x.parquet", {"a": [1], "b": [2]})
    with pytest.raises(InputError, match=r"is a table, but the model takes \[.*\], not \[N,features\]"):
        open_table(path, input_shape=shape, dtype=F4)


def test_tables_without_values(tmp_path: Path) -> None:
    assert refused(saved(tmp_path / "x.parquet", {"a": pa.array([], pa.float32())})) == "holds no values"
    assert refused(saved(tmp_path / "x.parquet", pa.table({}))) == "holds no values"


def test_without_pyarrow_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path / "x.parquet", {"a": [1]})
    original = builtins.__import__

    def absent(name: str, *rest: Any, **options: Any) -> Any:
        if name.partition(".")[0] == "pyarrow":
            raise ImportError(name)
        return original(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", absent)
    assert refused(path) == (
        "is a table, and reading it needs pyarrow; install it with: pip install 'onnx_ood[tables]'"
    )


def test_pyarrow_is_imported_only_for_tables() -> None:
    import subprocess

    program = "import onnx_ood.inputs, sys; sys.exit('pyarrow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


# --- hostile files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not a .parquet table, or is truncated (wrong first or last bytes)"),
        (b"PAR1", "is not a .parquet table, or is truncated (wrong first or last bytes)"),
        (
            b"PAR1" + bytes(8) + b"PARE",
            "is not a .parquet table, or is truncated (wrong first or last bytes)",
        ),
        (b"PAR1\xff\xff\xff\xffPAR1", "is damaged (the length of its footer)"),
    ],
)
def test_files_that_are_no_tables(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "x.parquet"
    path.write_bytes(content)
    assert refused(path) == message
    assert refused(tmp_path / "gone.parquet") == "no such file; check the path"


def test_a_footer_that_is_too_large(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    with path.open("wb") as file:
        file.write(b"PAR1")
        file.truncate(1 << 27)
        file.seek(1 << 27)
        file.write(struct.pack("<I", (1 << 26) + 1) + b"PAR1")
    assert refused(path) == "has a footer of 67,108,865 bytes, over the limit of 67,108,864"


def sample(checked: bool) -> bytes:
    buffer = io.BytesIO()
    table = pa.table({"a": [1.5, None, 3.0] * 4, "b": list(range(12)), "c": [True, False] * 6})
    parquet.write_table(table, buffer, row_group_size=5, write_page_checksum=checked)
    return buffer.getvalue()


SAMPLES = {checked: sample(checked) for checked in (False, True)}


def read_somehow(path: Path, content: bytes) -> bool:
    path.write_bytes(content)
    try:
        rows = opened(path)
    except InputError as error:
        assert str(error).isprintable()  # noqa: PT017
        assert str(error).startswith(f"{path.as_posix()}: ")  # noqa: PT017
        return False
    try:
        for row in range(min(len(rows), 100)):
            try:
                rows.rows(row, row + 1)
            except InputError as error:
                assert str(error).isprintable()  # noqa: PT017
    finally:
        rows.close()
    return True


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    for length in range(len(SAMPLES[True])):
        assert not read_somehow(tmp_path / "x.parquet", SAMPLES[True][:length]), length
    assert read_somehow(tmp_path / "x.parquet", SAMPLES[True])


@settings(any_file, max_examples=400)
@given(data=st.data(), checked=st.booleans())
def test_damaged_files_raise_nothing_but_input_errors(
    tmp_path: Path, data: st.DataObject, checked: bool
) -> None:
    content = bytearray(SAMPLES[checked])
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    read_somehow(tmp_path / "x.parquet", bytes(content))


@any_file
@given(content=st.binary(max_size=300))
def test_random_footers_raise_nothing_but_input_errors(tmp_path: Path, content: bytes) -> None:
    tail = struct.pack("<I", len(content)) + b"PAR1"
    assert not read_somehow(tmp_path / "x.parquet", b"PAR1" + content + tail)


def test_damage_in_a_page_is_found_by_its_checksum(tmp_path: Path) -> None:
    path = saved(
        tmp_path / "x.parquet",
        {"a": np.random.default_rng(0).random(1000)},
        write_page_checksum=True,
        compression="none",
        use_dictionary=False,
    )
    content = bytearray(path.read_bytes())
    content[4000] ^= 1
    path.write_bytes(content)
    rows = opened(path)
    with pytest.raises(InputError, match=r"x.parquet: is damaged \(.*CRC"):
        rows.rows(0, 1)
    rows.close()


def test_memory_does_not_grow_with_the_row_group(tmp_path: Path) -> None:
    count = 2_000_000
    values = np.random.default_rng(0).random((4, count // 4), np.float32).repeat(4, axis=1)
    path = saved(tmp_path / "x.parquet", dict(zip("abcd", values, strict=True)), row_group_size=count)
    del values
    before = pa.total_allocated_bytes()
    rows = opened(path, 4)
    peak = 0
    for row in range(0, count, 50_000):
        rows.rows(row, row + 1)
        peak = max(peak, pa.total_allocated_bytes() - before)
    assert rows._table.metadata.num_row_groups == 1
    rows.close()
    assert 0 < peak < 16 << 20  # the row group is of 32 MB
