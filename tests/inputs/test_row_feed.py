"""Rows of files that break off, change or hold unusable values."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet
from row_files import pictures, reader, rows_of, table, waveform

from onnx_ood.inputs import FailedInput


@pytest.mark.parametrize("batch", [1, 4, 100])
def test_an_array_that_breaks_off_gives_the_rows_before(tmp_path: Path, batch: int) -> None:
    path = tmp_path / "x.npz"
    np.savez_compressed(path, x=np.random.default_rng(2).random((60, 3, 4, 5), np.float32))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    after = pictures(tmp_path, 1)
    batches = list(reader([path, *after], batch=batch))
    ids = [name for one in batches for name in one.ids]
    (failure,) = [failed for one in batches for failed in one.failed]
    rows = len(ids) - 1
    assert 10 < rows < 60
    assert ids == [*(f"{path.as_posix()}[{row}]" for row in range(rows)), after[0].as_posix()]
    assert failure.id == f"{path.as_posix()}[{rows}:]"
    assert failure.reason.startswith("is damaged (")


def test_an_array_that_changes_between_header_and_rows(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    np.save(path, np.zeros((20, 3, 4, 5), np.float32))
    np.save(tmp_path / "shorter.npy", np.zeros((6, 3, 4, 5), np.float32))
    from onnx_ood.inputs.row_feed import RowFeed

    source = reader([path])
    feed = RowFeed(source._open, source.dtype)
    tasks = list(source._tasks(feed))
    (tmp_path / "shorter.npy").replace(path)
    pieces = [task.run() for task in tasks]
    feed.close()
    assert [len(piece.ids) for piece in pieces] == [4, 0, 0, 0, 0]
    assert [failed for piece in pieces for failed in piece.failed] == [
        FailedInput(f"{path.as_posix()}[4:]", "was changed while it was read")
    ]


def test_a_row_that_fails_does_not_end_its_file(tmp_path: Path) -> None:
    sound = np.zeros(14, np.float32)
    sound[5] = np.nan
    paths = [
        waveform(tmp_path / "a.wav", sound),
        waveform(tmp_path / "short.wav", sound[:3]),
        table(tmp_path / "b.parquet", a=[1, 2, None, 4, 5], b=[1.0, np.nan, 3, 4, 5], c=[0] * 5, d=[0] * 5),
        table(tmp_path / "c.parquet", a=["x"], b=[1], c=[1], d=[1]),
    ]
    a, short, b, c = (path.as_posix() for path in paths)
    for batch in (1, 2, 100):
        source = rows_of(paths, input_shape=["N", 4], batch=batch)
        assert source.count() == 4 + 1 + 5 + 1
        batches = list(source)
        assert [name for one in batches for name in one.ids] == [
            f"{a}[0]", f"{a}[2]", f"{b}[0]", f"{b}[3]", f"{b}[4]",
        ]  # fmt: skip
        no_number = "holds NaN, infinity or a value outside the range of float32"
        assert [(failed.id, failed.reason) for one in batches for failed in one.failed] == [
            (f"{a}[1]", no_number),
            (f"{a}[3]", "holds the last 2 samples, but the model takes 4"),
            (short, "holds 3 samples, but the model takes 4"),
            (f"{b}[1]", f"column 'b' {no_number}"),
            (f"{b}[2]", "column 'a' is empty (null)"),
            (c, "has columns that hold no numbers: a (string); drop or encode them"),
        ]


def test_a_table_that_breaks_off_gives_the_rows_before(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    values = np.random.default_rng(0).random(6)
    plain: dict[str, Any] = {"use_dictionary": False, "compression": "none", "write_statistics": False}
    parquet.write_table(pa.table({"a": values}), path, row_group_size=2, write_page_checksum=True, **plain)
    content = bytearray(path.read_bytes())
    content[content.index(values[4].tobytes())] ^= 1
    path.write_bytes(content)
    (batch,) = rows_of([path], input_shape=["N", 1], batch=10)
    assert batch.ids == tuple(f"{path.as_posix()}[{row}]" for row in range(4))
    (failure,) = batch.failed
    assert failure.id == f"{path.as_posix()}[4:]"
    assert failure.reason.startswith("is damaged (")


def test_no_file_stays_open(tmp_path: Path) -> None:
    paths = [
        waveform(tmp_path / "a.wav", np.zeros(40, np.float32)),
        table(tmp_path / "b.parquet", a=[1] * 9, b=[1] * 9),
    ]
    opened = len(list(Path("/proc/self/fd").iterdir()))
    for turn in (0, 1):
        batches = iter(rows_of([paths[turn]], input_shape=["N", 2], batch=1))
        next(batches)
        batches.close()
    source = rows_of(paths, input_shape=["N", 2])
    assert source.count() == sum(len(batch) for batch in source) == 29
    assert len(list(Path("/proc/self/fd").iterdir())) == opened
