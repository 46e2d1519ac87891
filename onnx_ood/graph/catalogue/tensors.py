"""What the catalogue says about one tensor of a graph."""

from __future__ import annotations

from dataclasses import dataclass

import onnx
from onnx import TensorProto, TypeProto

# Element types that a nudge can be added to and a cosine taken of.
FLOAT_DTYPES = frozenset({"float16", "bfloat16", "float32", "float64"})

# One dimension: a number, a symbol such as "batch", or None where nothing is known.
Dim = int | str | None
# None where not even the rank is known.
Shape = tuple[Dim, ...] | None

INPUT_OP = "Input"


@dataclass(frozen=True, slots=True)
class Tensor:
    """One named value of a model.

    Attributes:
        name: The name in the file, unique in the graph; of a tensor inside control flow or a function the scoped path.
        op: Type of the operator that computes it, `"Input"` for a graph input.
        domain: Domain of that operator, `""` for the standard one.
        node: Name of the computing node, `""` if it has none.
        dtype: Element type such as `"float32"`; `"sequence"`, `"optional"`, `"map"` or `"sparse"` for
            what is not a dense tensor; None where type inference could not tell.
        shape: Symbolic shape: numbers, symbols, None for an unknown dimension; None for an unknown rank.
        index: Position in execution order; graph inputs come first.
        depth: Number of nodes on the longest path from a graph input to this tensor; inside control flow or a function
            as many as to the node that it is in.
        activation: True if it is the result of an activation function.
        constant: True if no graph input has an influence on it.
        output: True if the model gives it back itself.
        consumers: How many node inputs read it, subgraphs included; 0 for a tensor inside control flow or a function.
        scope: Where a tensor is that is not in the main graph, `node/then_branch` say; empty for the main graph.
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
        """True if the element type is a floating-point type that can be measured."""
        return self.dtype in FLOAT_DTYPES

    @property
    def is_input(self) -> bool:
        """True for a graph input."""
        return self.op == INPUT_OP


def dtype_name(elem_type: int) -> str | None:
    """The name of an ONNX element type in numpy's spelling.

    Args:
        elem_type: A value of `TensorProto.DataType`.

    Returns:
        For instance `"float32"`, `"bfloat16"`, `"string"`; None for `UNDEFINED` or a number unknown to onnx.
    """
    try:
        name = TensorProto.DataType.Name(elem_type)
    except ValueError:
        return None
    return {"UNDEFINED": None, "FLOAT": "float32", "DOUBLE": "float64"}.get(name, name.lower())


def type_of(proto: TypeProto) -> tuple[str | None, Shape]:
    """Reads dtype and symbolic shape from a type.

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
    # Inference makes up a symbol for each size that it can't tell; it says no more than "unknown".
    symbol: str | bytes = dim.dim_param
    if isinstance(symbol, bytes):
        # What protobuf gives for text that is not UTF-8, in a damaged file.
        symbol = symbol.decode("utf-8", errors="replace")
    return None if symbol.startswith("unk__") else symbol or None


def format_shape(shape: Shape) -> str:
    """A shape as people write it: `[batch, 3, ?, ?]`, or `[...]` where the rank is unknown."""
    if shape is None:
        return "[...]"
    return "[" + ", ".join("?" if d is None else str(d) for d in shape) + "]"
