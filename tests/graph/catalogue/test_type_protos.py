"""Types of values against those that onnx's own helpers make."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from onnx import TensorProto, TypeProto, helper

from onnx_ood.exceptions import UsageError
from onnx_ood.graph.catalogue import type_protos as types

FLOAT = TensorProto.FLOAT
SEQUENCE = helper.make_sequence_type_proto(helper.make_tensor_type_proto(FLOAT, None))


def tensor(*shape: object, kind: int = FLOAT) -> TypeProto:
    return helper.make_tensor_type_proto(kind, list(shape))


ANY_RANK = helper.make_tensor_type_proto(FLOAT, None)


@pytest.mark.parametrize(
    ("given", "kind", "rank", "shape"),
    [
        (None, None, None, None),
        (TypeProto(), None, None, None),
        (ANY_RANK, "tensor_type", None, None),
        (tensor(), "tensor_type", 0, ()),
        (tensor(2, 0), "tensor_type", 2, (2, 0)),
        (tensor(2, "N"), "tensor_type", 2, None),
        (tensor(2, None), "tensor_type", 2, None),
        (tensor(2, -1), "tensor_type", 2, None),
        (SEQUENCE, "sequence_type", None, None),
    ],
)
def test_kind_rank_and_shape(
    given: TypeProto | None, kind: str | None, rank: int | None, shape: tuple[int, ...] | None
) -> None:
    assert types.kind_of(given) == kind
    assert types.rank_of(given) == rank
    assert types.static_shape(given) == shape


@pytest.mark.parametrize("rank", [None, 0, 1, 3])
def test_tensor_types_are_those_of_onnx(rank: int | None) -> None:
    expected = helper.make_tensor_type_proto(FLOAT, None if rank is None else [None] * rank)
    assert types.tensor_type(FLOAT, rank) == expected
    assert types.sequence_type(FLOAT) == SEQUENCE


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int8", "uint64", "bool"])
def test_element_types_are_those_of_numpy_s_dtypes(dtype: str) -> None:
    assert types.element_type(dtype) == helper.np_dtype_to_tensor_dtype(np.dtype(dtype))


def test_an_unknown_element_type_is_refused() -> None:
    with pytest.raises(UsageError, match="'float33' is not an ONNX element type"):
        types.element_type("float33")


@pytest.mark.parametrize(
    "name",
    ["bfloat16", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu",
     "float4_e2m1fn", "int4", "uint4", "int2", "uint2"],
)  # fmt: skip
def test_casts_keep_every_value(name: str) -> None:
    """All values of each type that numpy lacks, as ml_dtypes has them, are exact in the type they are cast to."""
    dtype = np.dtype(getattr(ml_dtypes, name))
    number = helper.np_dtype_to_tensor_dtype(dtype)
    cast = types.cast_type(tensor(2, "N", kind=number))
    assert cast is not None
    assert [dim.dim_value or dim.dim_param for dim in cast.tensor_type.shape.dim] == [2, "N"]
    target = helper.tensor_dtype_to_np_dtype(cast.tensor_type.elem_type)
    bits = np.arange(2 ** (8 * dtype.itemsize), dtype=f"u{dtype.itemsize}")
    if "int" in name:
        low, high = ml_dtypes.iinfo(dtype).min, ml_dtypes.iinfo(dtype).max
        values = np.arange(low, high + 1).astype(dtype)
    else:
        values = bits[: 16 if "float4" in name else None].view(dtype)
    with np.errstate(invalid="ignore"):  # Casts of NaN.
        again = values.astype(target).astype(dtype).astype(np.float64)
        expected = values.astype(np.float64)
    np.testing.assert_array_equal(again, expected)


@pytest.mark.parametrize("given", [None, tensor(2), tensor(2, kind=TensorProto.INT64), SEQUENCE])
def test_what_numpy_holds_is_not_cast(given: TypeProto | None) -> None:
    assert types.cast_type(given) is None


def test_stacking_adds_an_axis_of_unknown_size() -> None:
    assert types.stacked_type(tensor(3, "N")) == tensor(None, 3, "N")
    assert types.stacked_type(ANY_RANK) == ANY_RANK
    assert types.stacked_type(None) is None


def test_without_sizes_only_the_rank_is_left() -> None:
    assert types.unsized_type(tensor(3, "N")) == tensor(None, None)
    # A scalar has one element and can't be empty.
    assert types.unsized_type(tensor()) == ANY_RANK
    assert types.unsized_type(ANY_RANK) == ANY_RANK
    assert types.unsized_type(SEQUENCE) == SEQUENCE


def test_declared_types_have_no_invented_sizes() -> None:
    given = tensor("unk__7", -1, 3, "N", 0)
    assert types.declarable_type(given) == tensor(None, None, 3, "N", 0)
    assert given == tensor("unk__7", -1, 3, "N", 0)
    assert types.declarable_type(SEQUENCE) == SEQUENCE


def test_types_in_a_graph_are_those_declared() -> None:
    graph = helper.make_graph(
        [],
        "g",
        [helper.make_value_info("x", tensor(1))],
        [helper.make_value_info("y", tensor(3)), helper.make_empty_tensor_value_info("untyped")],
        value_info=[helper.make_value_info("h", tensor(2))],
    )
    assert types.types_in(graph) == {"x": tensor(1), "h": tensor(2), "y": tensor(3)}
