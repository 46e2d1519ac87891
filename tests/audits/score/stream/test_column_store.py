"""A table on disk against an array in memory."""

import io
from unittest import mock

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from onnx_ood.audits.score.stream import column_store as columns
from onnx_ood.audits.score.stream.column_store import ColumnStore


def contents(table, at):
    column = table.column(at)
    pieces = list(column.blocks())
    assert sum(map(len, pieces)) == column.count
    return np.concatenate(pieces).tolist()


@given(rows=st.integers(0, 40), width=st.integers(1, 5), block=st.integers(1, 400), seed=st.integers(0, 99))
def test_it_gives_back_what_came_whatever_the_size_of_its_blocks(rows, width, block, seed):
    values = np.random.default_rng(seed).standard_normal((rows, width))
    with mock.patch.object(columns, "_BLOCK_BYTES", block):
        table = ColumnStore(io.BytesIO(), width)
    for row in values:
        table.append(row.tolist())
    assert len(table) == rows
    for at in range(width):
        assert contents(table, at) == values[:, at].tolist()
    blocks = list(table.blocks())
    assert all(one.shape[1] == width and one.flags.c_contiguous for one in blocks)
    assert np.array_equal(np.concatenate([np.empty((0, width)), *blocks]), values)


def test_reading_and_writing_take_turns():
    table = ColumnStore(io.BytesIO(), 2)
    with mock.patch.object(columns, "_BLOCK_BYTES", 16):
        table = ColumnStore(io.BytesIO(), 2)
    for i in range(5):
        table.append([i, -i])
        assert contents(table, 0) == [*range(i + 1)]


def test_none_is_nan():
    table = ColumnStore(io.BytesIO(), 2)
    table.append([None, 1.0])
    assert np.isnan(contents(table, 0)) == [True]
