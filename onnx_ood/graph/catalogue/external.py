"""External data files of a model: where they are, and whether they may be read.

The names come from the model file and are not trusted: only a plain relative path inside the model's folder is
followed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import prod
from os.path import commonpath
from pathlib import Path, PurePosixPath, PureWindowsPath

from google.protobuf.message import DecodeError
from onnx import AttributeProto, GraphProto, ModelProto, TensorProto, helper

from onnx_ood.exceptions import ModelError
from onnx_ood.graph.catalogue.nodes import subgraphs

# Element types of less than a byte, several of which share one.
_BITS = {"INT4": 4, "UINT4": 4, "FLOAT4E2M1": 4, "INT2": 2, "UINT2": 2}


def stored_tensors(model: ModelProto) -> Iterator[TensorProto]:
    """Yield every tensor stored in the file: initializers and constants, at any depth."""
    yield from _in_graph(model.graph)
    for function in model.functions:
        yield from _in_node_attributes(function.attribute_proto)
        for node in function.node:
            yield from _in_node_attributes(node.attribute)
            for graph in subgraphs(node):
                yield from _in_graph(graph)


def _in_graph(graph: GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield sparse.values
        yield sparse.indices
    for node in graph.node:
        yield from _in_node_attributes(node.attribute)
        for inner in subgraphs(node):
            yield from _in_graph(inner)


def _in_node_attributes(attributes: Iterable[AttributeProto]) -> Iterator[TensorProto]:
    for attribute in attributes:
        if attribute.type == AttributeProto.TENSOR:
            yield attribute.t
        elif attribute.type == AttributeProto.TENSORS:
            yield from attribute.tensors
        elif attribute.type == AttributeProto.SPARSE_TENSOR:
            yield attribute.sparse_tensor.values
            yield attribute.sparse_tensor.indices


def external_fields(tensor: TensorProto) -> dict[str, str]:
    """Location, offset and length of a tensor's external data, empty if its values are in the model file."""
    if tensor.data_location != TensorProto.EXTERNAL:
        return {}
    return {entry.key: entry.value for entry in tensor.external_data}


def data_files(model: ModelProto, model_path: Path) -> tuple[Path, ...]:
    """Find the external data files of a model and check that each may be read and is long enough.

    Args:
        model: The model, external data not loaded.
        model_path: Path of its file.

    Returns:
        Distinct data files, in order of first mention; empty if all weights are in the model file.

    Raises:
        ModelError: If a path leads out of the model's folder, or a file is missing or too short.
    """
    needed: dict[str, int] = {}
    for tensor in stored_tensors(model):
        if tensor.data_location == TensorProto.EXTERNAL:
            fields = external_fields(tensor)
            location = fields.get("location", "")
            _check_location(location, model_path, tensor.name)
            end = _number(fields, "offset", model_path) + _length(tensor, fields, model_path)
            needed[location] = max(needed.get(location, 0), end)
    return tuple(_check_file(model_path, location, end) for location, end in needed.items())


def named_files(path: Path) -> tuple[Path, ...]:
    """List the external data files that a model file names, unchecked; none if it is not a model.

    Args:
        path: A file, perhaps damaged or missing.
    """
    try:
        model = ModelProto.FromString(path.read_bytes()) if path.is_file() else ModelProto()
        names = [external_fields(tensor).get("location", "") for tensor in stored_tensors(model)]
    except (DecodeError, OSError, ValueError):
        return ()
    return tuple(path.parent / name for name in dict.fromkeys(names) if name)


def with_values(tensor: TensorProto, model_path: Path) -> TensorProto:
    """Copy a stored tensor with its values in the message, as onnxruntime reads them.

    Args:
        tensor: The tensor, at any depth of the model.
        model_path: Path of the model's file, whose folder its data is relative to; the data has passed `data_files`.

    Returns:
        The copy; the tensor itself if its values are in the model file.

    Raises:
        ModelError: If the data cannot be read.
    """
    fields = external_fields(tensor)
    if not fields:
        return tensor
    copy = TensorProto()
    copy.CopyFrom(tensor)
    del copy.external_data[:]
    copy.data_location = TensorProto.DEFAULT
    # onnx reads up to the end of the file without a length, and attributes from the working folder.
    try:
        with (model_path.absolute().parent / fields["location"]).open("rb") as file:
            file.seek(_number(fields, "offset", model_path))
            copy.raw_data = file.read(_length(tensor, fields, model_path))
    except OSError as error:
        raise ModelError(
            f"{model_path}: external data file {fields['location'][:40]!r} cannot be read: {error.strerror}"
        ) from None
    return copy


def embed_values(model: ModelProto, model_path: Path) -> None:
    """Put the values of all external data into a model.

    Args:
        model: The model; it is changed.
        model_path: As in `with_values`.

    Raises:
        ModelError: See there.
    """
    for tensor in stored_tensors(model):
        if external_fields(tensor):
            tensor.CopyFrom(with_values(tensor, model_path))


def _length(tensor: TensorProto, fields: dict[str, str], model_path: Path) -> int:
    """Bytes of a tensor's external data. A length of 0 counts as not stated, as in onnxruntime."""
    stated, needed = _number(fields, "length", model_path), stored_bytes(tensor)
    if stated and needed is not None and stated != needed:
        raise ModelError(
            f"{model_path}: tensor {tensor.name[:80]!r} has {stated} bytes of external data, but its type and shape "
            f"need {needed}; export or fetch it again"
        )
    return stated or needed or 0


def stored_bytes(tensor: TensorProto) -> int | None:
    """Bytes that the values of a tensor take by its type and shape; None for strings and types that onnx lacks."""
    try:
        name = TensorProto.DataType.Name(tensor.data_type)
        bits = _BITS.get(name) or 8 * helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    except (KeyError, TypeError, ValueError):
        return None
    if name in {"STRING", "UNDEFINED"} or min(tensor.dims, default=0) < 0:
        return None
    return (prod(tensor.dims) * bits + 7) // 8


def relocated(model: ModelProto, model_path: Path) -> tuple[ModelProto, Path]:
    """Resolve links among external data files.

    onnxruntime does not follow links out of the model's folder, where model hubs keep the linked files.

    Args:
        model: The model, external data not loaded; it is not changed.
        model_path: Path of its file; its data files have passed `data_files`.

    Returns:
        The model, or a copy naming the real files if any is a link; and the folder that the names are relative to.
    """
    folder = model_path.absolute().parent
    stored = [external_fields(tensor).get("location", "") for tensor in stored_tensors(model)]
    real = {name: (folder / name).resolve() for name in stored if name}
    if all(path == folder.resolve() / name for name, path in real.items()):
        return model, folder
    home = Path(commonpath([path.parent for path in real.values()]))
    copy = ModelProto()
    copy.CopyFrom(model)
    for tensor in stored_tensors(copy):
        for entry in tensor.external_data:
            if entry.key == "location" and entry.value in real:
                entry.value = real[entry.value].relative_to(home).as_posix()
    return copy, home


def _number(fields: dict[str, str], key: str, model_path: Path) -> int:
    text = fields.get(key, "0")
    # 18 digits are enough for any file.
    if not text.isdecimal() or len(text) > 18:
        raise ModelError(f"{model_path}: external data has {key} {text[:40]!r}, not a number of bytes")
    return int(text)


def _check_location(location: str, model_path: Path, tensor: str) -> None:
    posix, windows = PurePosixPath(location), PureWindowsPath(location)
    parts = {*posix.parts, *windows.parts}
    if not location or posix.is_absolute() or windows.anchor or ".." in parts:
        raise ModelError(
            f"{model_path}: tensor {tensor!r} has its data in {location!r}, not a plain path inside the model's "
            "folder; refused"
        )


def _check_file(model_path: Path, location: str, end: int) -> Path:
    path = model_path.parent / location
    try:
        found = path.is_file()
    except OSError as error:
        raise ModelError(
            f"{model_path}: external data file {location[:40]!r} cannot be read: {error.strerror}"
        ) from None
    if not found:
        raise ModelError(
            f"{model_path}: external data file {location!r} is missing; put it next to the model file"
        )
    # Model hubs link out of the folder; then the model file is a link into the same store. Any other link could
    # make us read a file of somebody else.
    homes = {model_path.parent.resolve(), model_path.resolve().parent}
    if not any(path.resolve().is_relative_to(home) for home in homes):
        raise ModelError(
            f"{model_path}: external data file {location!r} is a link out of the model's folder; refused"
        )
    if path.stat().st_size < end:
        raise ModelError(
            f"{model_path}: external data file {location!r} is truncated: it has {path.stat().st_size} of {end} bytes; "
            "fetch it again"
        )
    return path
