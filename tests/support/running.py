"""Running models in tests: in onnxruntime as they are written, and by onnx's own reference."""

from __future__ import annotations

import ctypes
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from onnx import ModelProto, TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

from onnx_ood.graph.catalogue.type_protos import CAST_TO

# Element types that numpy has no arrays of, and in which the runtime neither takes nor gives any.
WITHOUT_ARRAYS = frozenset(CAST_TO)


def run(
    model: ModelProto,
    feeds: Mapping[str, Any],
    *,
    folder: Path | None = None,
    optimised: bool = False,
    threads: int = 1,
) -> dict[str, Any]:
    """Every output of a model by name, without the runtime's optimisations or with all of them.

    What numpy has no arrays of is fed as a tensor of onnx, and given back as an array of `ml_dtypes`. `folder` is where
    external data lies. How many threads there are decides how work is cut up, and so how sums are rounded; 0 is what
    sessions have otherwise.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    levels = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if optimised else levels.ORT_DISABLE_ALL
    if folder is not None:
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(folder))
    stored = {
        name: numpy_helper.from_array(value) if isinstance(value, np.ndarray) else value
        for name, value in feeds.items()
        if _element(value) in WITHOUT_ARRAYS
    }
    if stored:
        # As the defaults of its inputs: those can be of any type, and the runtime doesn't take them for constants.
        model = _with_defaults(model, stored)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    given = {
        name: numpy_helper.to_array(value) if isinstance(value, TensorProto) else value
        for name, value in feeds.items()
        if name not in stored
    }
    if not any(_BY_NAME.get(output.type) in WITHOUT_ARRAYS for output in session.get_outputs()):
        return dict(zip(names, session.run(names, given), strict=True))
    values = {name: onnxruntime.OrtValue.ortvalue_from_numpy(value) for name, value in given.items()}
    return dict(zip(names, map(_array, session.run_with_ort_values(names, values)), strict=True))


_BY_NAME = {f"tensor({name.lower()})": number for name, number in TensorProto.DataType.items()}


def _element(value: Any) -> int | None:
    if isinstance(value, TensorProto):
        return value.data_type
    # What numpy doesn't know of itself is a dtype of ml_dtypes, whose kind is that of raw bytes or made up.
    if isinstance(value, np.ndarray) and value.dtype.isbuiltin != 1:
        return helper.np_dtype_to_tensor_dtype(value.dtype)
    return None


def _with_defaults(model: ModelProto, tensors: Mapping[str, TensorProto]) -> ModelProto:
    copy = ModelProto()
    copy.CopyFrom(model)
    for name, tensor in tensors.items():
        stored = copy.graph.initializer.add()
        stored.CopyFrom(tensor)
        stored.name = name
    return copy


def _array(value: onnxruntime.OrtValue) -> np.ndarray:
    """A tensor of the runtime as an array, whatever its type."""
    if value.element_type() not in WITHOUT_ARRAYS:
        return value.numpy()
    tensor = TensorProto(data_type=value.element_type(), dims=value.shape())
    tensor.raw_data = ctypes.string_at(value.data_ptr(), value.tensor_size_in_bytes())
    return numpy_helper.to_array(tensor)


def same_bits(one: Any, other: Any) -> bool:
    """True if two values of any kind that the runtime gives are equal bit by bit, NaN included."""
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(same_bits(a, b) for a, b in zip(one, other, strict=True))
    if one is None or isinstance(one, dict):
        return bool(one == other)
    one, other = np.asarray(one), np.asarray(other)
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    if one.dtype == object:
        return bool((one == other).all())
    return one.tobytes() == other.tobytes()


def everything_computed(
    model: ModelProto, feeds: Mapping[str, Any], operators: Sequence[type[OpRun]] = ()
) -> dict[str, list[Any]]:
    """What each tensor is in the reference, at any depth: by name of its node, all values in the order they occur.

    Nodes need names, each of its own, and one result; a function's nodes occur once for each call. `operators` stand in
    for the reference's own.
    """
    found: defaultdict[str, list[Any]] = defaultdict(list)
    evaluator = ReferenceEvaluator(
        model, new_ops=list(operators)
    )  # Made first: it defines the operators' classes.
    with _recording(found):
        evaluator.run(None, dict(feeds))
    return dict(found)


@contextmanager
def _recording(found: defaultdict[str, list[Any]]) -> Any:
    # Operators of one kind run in their own way; an outer call of `run` stands for the inner ones.
    classes = [kind for kind in _kinds(OpRun) if "run" in vars(kind)]
    originals = [vars(kind)["run"] for kind in classes]
    running: set[int] = set()

    def noting(original: Any) -> Any:
        def run_and_note(self: OpRun, *arguments: Any, **keywords: Any) -> Any:
            if id(self) in running:
                return original(self, *arguments, **keywords)
            running.add(id(self))
            try:
                results = original(self, *arguments, **keywords)
            finally:
                running.discard(id(self))
            found[self.onnx_node.name].append(results[0])
            return results

        return run_and_note

    for kind, original in zip(classes, originals, strict=True):
        kind.run = noting(original)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for kind, original in zip(classes, originals, strict=True):
            kind.run = original  # type: ignore[method-assign]


def _kinds(kind: type) -> set[type]:
    return {kind}.union(*(_kinds(further) for further in kind.__subclasses__()))


def stream(values: Any) -> np.ndarray:
    """All numbers of values that follow each other, in one row: stacked, in a sequence, and one by one look alike."""
    values = values if isinstance(values, list) else [values]
    rows = [np.asarray(value).ravel() for value in values]
    return np.concatenate(rows) if rows else np.zeros(0)
