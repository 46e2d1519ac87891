"""Dtypes and shapes against onnx's helpers and numpy's names."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, TypeProto, helper, numpy_helper

from onnx_ood.exceptions import ModelError
from onnx_ood.graph.catalogue.tensors import Shape, dtype_name, format_shape, stored_array, type_of


@pytest.mark.parametrize(
    "dtype", ["float16", "float32", "float64", "int8", "uint16", "int64", "bool", "complex64"]
)
def test_dtypes_have_numpy_s_names(dtype: str) -> None:
    assert dtype_name(helper.np_dtype_to_tensor_dtype(np.dtype(dtype))) == dtype


def test_dtypes_that_numpy_lacks_have_onnx_s_names() -> None:
    assert dtype_name(TensorProto.BFLOAT16) == "bfloat16"
    assert dtype_name(TensorProto.STRING) == "string"
    assert dtype_name(TensorProto.UNDEFINED) is None
    assert dtype_name(9999) is None


FLOAT = helper.make_tensor_type_proto(TensorProto.FLOAT, None)


@pytest.mark.parametrize(
    ("proto", "dtype", "shape"),
    [
        (TypeProto(), None, None),
        (FLOAT, "float32", None),
        (helper.make_tensor_type_proto(TensorProto.INT64, []), "int64", ()),
        (
            helper.make_tensor_type_proto(TensorProto.FLOAT, ["N", 3, None, "unk__0", -1, 0, 1]),
            "float32",
            ("N", 3, None, None, None, None, 1),
        ),
        (helper.make_sequence_type_proto(FLOAT), "sequence", None),
        (helper.make_optional_type_proto(FLOAT), "optional", None),
        (helper.make_map_type_proto(TensorProto.INT64, FLOAT), "map", None),
        (helper.make_sparse_tensor_type_proto(TensorProto.FLOAT, [2]), "sparse", None),
    ],
)
def test_types_are_read_as_they_were_made(proto: TypeProto, dtype: str | None, shape: Shape) -> None:
    assert type_of(proto) == (dtype, shape)


def test_shapes_as_text() -> None:
    assert format_shape(None) == "[...]"
    assert format_shape(()) == "[]"
    assert format_shape(("N", 3, None)) == "[N, 3, ?]"


def test_stored_values_are_read():
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.testing.assert_array_equal(stored_array(numpy_helper.from_array(values, "w")), values)


@pytest.mark.parametrize(
    "damage",
    [
        {"raw_data": b"1234567"},
        {"raw_data": b""},
        {"data_type": 99},
        {"data_type": 0},
        {"data_type": TensorProto.DOUBLE},
    ],
)
def test_damaged_values_are_an_error_that_names_the_tensor(damage):
    tensor = numpy_helper.from_array(np.ones((2, 3), np.float32), "w")
    for field, value in damage.items():
        setattr(tensor, field, value)
    with pytest.raises(ModelError, match="stored values of tensor 'w' do not fit its type"):
        stored_array(tensor)
