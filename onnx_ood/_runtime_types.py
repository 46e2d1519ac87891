"""Types as onnxruntime infers them, for operators that onnx does not know.

On the floor of the house, like `_types`: `onnx_ood.graph` asks here, and only about models with such operators, so that
reading any other model never imports the runtime.
"""

from __future__ import annotations

from collections.abc import Iterable

from onnx import ModelProto, TensorProto, TypeProto

# Names of element types that differ from those of ONNX.
_ELEMENTS = {"float": "FLOAT", "double": "DOUBLE"}


def runtime_types(model: ModelProto) -> dict[str, TypeProto]:
    """Ask onnxruntime for the types of a model's outputs. Nothing is run, and no file is read.

    Args:
        model: The model, its large weights declared as inputs. Its outputs need no types.

    Returns:
        The types by name, without those that the runtime does not know either; empty if it refuses the model.
    """
    # Slow to import, and seldom needed.
    import onnxruntime  # noqa: PLC0415

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    # Without optimisations nothing is folded, so nothing is computed.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
    except Exception:
        return {}  # The same reason is reported when the model is run.
    found = {value.name: type_named(value.type, value.shape) for value in session.get_outputs()}
    return {name: known for name, known in found.items() if known is not None}


def type_named(name: str, shape: Iterable[int | str | None] = ()) -> TypeProto | None:
    """Make the type that onnxruntime spells as a name.

    Args:
        name: For example `"tensor(float)"` or `"seq(tensor(int64))"`.
        shape: Sizes of a tensor. An empty one is left open: onnxruntime reports scalars and unknown ranks alike.

    Returns:
        The type, None unless it is a tensor or a sequence of tensors.

    Examples:
        >>> type_named("tensor(float)", ["N", 8]).tensor_type.elem_type
        1
    """
    made = TypeProto()
    if name.startswith("seq("):
        inner = type_named(name[4:-1])
        if inner is None:
            return None
        made.sequence_type.elem_type.CopyFrom(inner)
        return made
    element = name.removeprefix("tensor(").removesuffix(")")
    element = _ELEMENTS.get(element, element.upper())
    if not name.startswith("tensor(") or element not in TensorProto.DataType.keys():  # noqa: SIM118
        return None
    made.tensor_type.elem_type = TensorProto.DataType.Value(element)
    for size in shape:
        dim = made.tensor_type.shape.dim.add()
        if isinstance(size, int) and size >= 0:
            dim.dim_value = size
        elif isinstance(size, str):
            dim.dim_param = size
    return made
