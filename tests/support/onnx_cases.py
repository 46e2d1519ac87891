"""The models that the onnx package generates and ships, with inputs to run them on."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import onnx
from onnx import ModelProto, TypeProto, numpy_helper

SHIPPED = Path(onnx.__file__).parent / "backend" / "test" / "data"


@dataclass(frozen=True)
class Case:
    """A model and its inputs by name."""

    name: str
    model: ModelProto
    feeds: dict[str, Any]


def generated() -> Iterator[Case]:
    """The node tests."""
    with warnings.catch_warnings():
        # Some of the generators divide by zero on purpose.
        warnings.simplefilter("ignore")
        from onnx.backend.test.case.node import collect_testcases
        from onnx.reference.ops import op_pool_common

        with patch.object(op_pool_common, "pool", _unpooled):
            cases = collect_testcases(None)
    for case in cases:
        names = [value.name for value in case.model.graph.input]
        feeds = {
            # Some give scalars of numpy, which the runtime doesn't take.
            name: np.asarray(value) if isinstance(value, np.generic) else value
            for name, value in zip(names, case.data_sets[0][0], strict=False)
        }
        yield Case(case.name, case.model, feeds)


def _unpooled(
    padded: np.ndarray,
    x_shape: Sequence[int],
    kernel: object,
    strides: object,
    out_shape: Sequence[int],
    *_: object,
    **__: object,
) -> np.ndarray:
    """Zeros of the shape of a pooled tensor: generators write only its type into a model, and its values take long."""
    return np.zeros([*x_shape[:2], *out_shape], padded.dtype)


def shipped() -> Iterator[Case]:
    """The simple, light, pytorch-converted and pytorch-operator models that lie in the package."""
    for path in sorted(SHIPPED.glob("*/*/model.onnx")):
        model = onnx.load(path)
        folder = path.parent / "test_data_set_0"
        feeds = {}
        for i, value in enumerate(_fed(model)):
            feeds[value.name] = _read(folder / f"input_{i}.pb", value.type)
        yield Case(path.parent.name, model, feeds)
    for path in sorted(SHIPPED.glob("light/*.onnx")):
        model = onnx.load(path)
        yield Case(path.stem, model, {value.name: _made_up(value.type) for value in _fed(model)})


def _fed(model: ModelProto) -> list[onnx.ValueInfoProto]:
    stored = {tensor.name for tensor in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in stored]


def _read(path: Path, kind: TypeProto) -> Any:
    content = path.read_bytes()
    if kind.WhichOneof("value") == "sequence_type":
        return numpy_helper.to_list(onnx.SequenceProto.FromString(content))
    return numpy_helper.to_array(onnx.TensorProto.FromString(content))


def _made_up(kind: TypeProto) -> Any:
    """What the light models are tested with: a number in every place that depends on the place alone."""
    shape = [dim.dim_value for dim in kind.tensor_type.shape.dim]
    size = int(np.prod(shape))
    return (np.arange(size, dtype=np.float32) / size).reshape(shape)
