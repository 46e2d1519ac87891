"""Tensors as the catalogue describes them: name, origin, dtype and shape."""

from __future__ import annotations

from dataclasses import dataclass

import onnx
from onnx import TensorProto, TypeProto, numpy_helper

from onnx_ood._types import Array
from onnx_ood.exceptions import ModelError
from onnx_ood.graph.catalogue.type_protos import symbol_of

# Element types that can be nudged and measured.
FLOAT_DTYPES = frozenset({"float16", "bfloat16", "float32", "float64"})

# One axis: a number, a symbol such as "batch", or None if unknown.
Dim = int | str | None
# None if the rank is unknown.
Shape = tuple[Dim, ...] | None

INPUT_OP = "Input"


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor of a model.

    Attributes:
        name: Name in the file; for a tensor inside control flow or a function its scoped path.
        op: Operator type of the node that computes it, `"Input"` for a graph input.
        domain: Domain of that operator, `""` for the standard one.
        node: Name of that node, `""` if it has none.
        dtype: Element type such as `"float32"`; `"sequence"`, `"optional"`, `"map"` or `"sparse"` for a value that is
            not a dense tensor; None if unknown.
        shape: Size of each axis: a number, a symbol, or None if unknown; None for an unknown rank.
        index: Position in execution order; graph inputs come first.
        depth: Number of nodes on the longest path from a graph input; inside control flow or a function the depth of
            the node around it.
        activation: True for the result of an activation function.
        constant: True if it depends on no graph input.
        output: True for an output of the model.
        consumers: Number of reads by nodes, captures in subgraphs included; 0 inside control flow or a function.
        scope: Scoped path of its graph, for example `node/then_branch`; empty for the main graph.
    """

    name: str
    op: str
    domain: str
    node: str
    dtype: str | None
    shape: Shape
    index: int
    depth: int
    activation: bool
    constant: bool
    output: bool
    consumers: int
    scope: str = ""

    @property
    def floating(self) -> bool:
        """True for a floating-point dtype, which can be measured."""
        return self.dtype in FLOAT_DTYPES

    @property
    def is_input(self) -> bool:
        """True for a graph input."""
        return self.op == INPUT_OP


def dtype_name(elem_type: int) -> str | None:
    """Name of an ONNX element type in numpy's spelling.

    Args:
        elem_type: A value of `TensorProto.DataType`.

    Returns:
        A name such as `"float32"`, `"bfloat16"` or `"string"`; None for `UNDEFINED` and unknown numbers.

    Examples:
        >>> dtype_name(1)
        'float32'
    """
    try:
        name = TensorProto.DataType.Name(elem_type)
    except ValueError:
        return None
    return {"UNDEFINED": None, "FLOAT": "float32", "DOUBLE": "float64"}.get(name, name.lower())


def type_of(proto: TypeProto) -> tuple[str | None, Shape]:
    """Read dtype and shape from a type.

    Args:
        proto: The type of a value, possibly empty.

    Returns:
        The dtype as in `Tensor.dtype` and the shape as in `Tensor.shape`.
    """
    kind = proto.WhichOneof("value")
    if kind is None:
        return None, None
    if kind != "tensor_type":
        return kind.removesuffix("_type").removesuffix("_tensor"), None
    tensor = proto.tensor_type
    shape = tuple(_dim(d) for d in tensor.shape.dim) if tensor.HasField("shape") else None
    return dtype_name(tensor.elem_type), shape


def _dim(dim: onnx.TensorShapeProto.Dimension) -> Dim:
    kind = dim.WhichOneof("value")
    if kind == "dim_value":
        # Some exporters write 0 or -1 for "any size".
        return dim.dim_value if dim.dim_value > 0 else None
    # Inference invents a symbol for each unknown size.
    symbol = symbol_of(dim)
    return None if symbol.startswith("unk__") else symbol or None


def format_shape(shape: Shape) -> str:
    """Format a shape for people: `[...]` for an unknown rank.

    Examples:
        >>> format_shape(("batch", 3, None))
        '[batch, 3, ?]'
    """
    if shape is None:
        return "[...]"
    return "[" + ", ".join("?" if d is None else str(d) for d in shape) + "]"


def stored_array(tensor: TensorProto) -> Array:
    """Read the values of a tensor that are in the model file itself.

    Raises:
        ModelError: If they do not fit its type and shape.
    """
    try:
        return numpy_helper.to_array(tensor)
    except (KeyError, TypeError, ValueError):  # an unknown type, a wrong number of bytes, a negative size
        raise ModelError(
            f"the stored values of tensor {tensor.name[:80]!r} do not fit its type {tensor.data_type} and shape "
            f"{list(tensor.dims[:8])}; the model is damaged: export or fetch it again"
        ) from None
