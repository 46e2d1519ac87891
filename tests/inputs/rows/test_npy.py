"""Headers of .npy files, against those that numpy writes."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onnx_ood.exceptions import InputError
from onnx_ood.inputs.rows.npy import MAGIC, MAX_AXES, read_header

DTYPES = ["?", "i1", "<i2", ">i4", "<u8", "<f2", ">f4", "<f8"]


def with_header(text: str, version: int = 1) -> BytesIO:
    length = len(text).to_bytes(2 if version == 1 else 4, "little")
    return BytesIO(MAGIC + bytes([version, 0]) + length + text.encode())


@given(
    st.lists(st.integers(0, 3), max_size=4),
    st.sampled_from(DTYPES),
    st.sampled_from("CF"),
    st.sampled_from([(1, 0), (2, 0), (3, 0)]),
)
def test_headers_are_those_of_numpy(
    shape: list[int], dtype: str, order: str, version: tuple[int, int]
) -> None:
    array = np.zeros(shape, dtype, order=order)  # type: ignore[call-overload]
    stream = BytesIO()
    np.lib.format.write_array(stream, array, version)
    stream.seek(0)
    header = read_header(stream)
    assert (header.shape, header.dtype) == (array.shape, array.dtype)
    assert header.fortran == (array.flags.f_contiguous and not array.flags.c_contiguous)
    assert stream.tell() == header.size
    assert header.stream_bytes == len(stream.getvalue())
    rows_are_apart = header.fortran and (np.array(shape) > 1).sum() > 1
    assert header.by_columns == rows_are_apart


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", "Python objects"),
        ("{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }", "values of type '<c8'"),
        ("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", "records"),
        ("{'descr': '<f4', 'fortran_order': False, }", "broken"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'more': True, }", "broken"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': True, }", "its shape"),
        ("__import__('os')", "broken"),
        (f"{{'descr': '<f4', 'fortran_order': False, 'shape': {(1,) * (MAX_AXES + 1)}, }}", "17 axes"),
    ],
)
def test_anything_but_real_numbers_is_refused(text: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        read_header(with_header(text))


def test_streams_that_end_or_lie_are_refused() -> None:
    text = "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }"
    whole = with_header(text).getvalue()
    for end in range(len(whole)):
        with pytest.raises(InputError):
            read_header(BytesIO(whole[:end]))
    with pytest.raises(InputError, match="version 9"):
        read_header(with_header(text, 9))
    with pytest.raises(InputError, match="its length"):
        read_header(BytesIO(MAGIC + b"\x02\x00" + b"\xff\xff\xff\x7f"))
