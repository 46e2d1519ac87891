"""Writing a rewritten model to a file, with external weights left in place or embedded."""

from __future__ import annotations

from pathlib import Path

from onnx import ModelProto

from onnx_ood._outputs import check_outputs, model_files
from onnx_ood._writing import write_bytes
from onnx_ood.exceptions import ModelError, OutputError
from onnx_ood.graph.catalogue.external import (
    embed_values,
    external_fields,
    relocated,
    stored_bytes,
    stored_tensors,
)
from onnx_ood.graph.catalogue.model import MAX_FILE_BYTES


def save(proto: ModelProto, source: Path, path: Path, *, embed: bool) -> None:
    """Write a model to a file atomically.

    External data files are referred to and, unless `embed` is set, neither read nor copied. They are never written.

    Args:
        proto: The model, external data not loaded; it is not changed.
        source: The file that it was made from, in the folder of its data files.
        path: The file to write.
        embed: Put external weights into the file.

    Raises:
        UsageError: If the file is the model itself or belongs to it.
        OutputError: If the file cannot be written, or cannot refer to its data files.
        ModelError: If the model is too large for one file.
    """
    check_outputs([("", path)], model_files(source))
    data = any(external_fields(tensor) for tensor in stored_tensors(proto))
    if data:
        proto = _embedded(proto, source) if embed else _referring(proto, source, path)
    if proto.ByteSize() >= MAX_FILE_BYTES:
        raise ModelError(f"{path}: would be larger than 2 GiB, the limit of the ONNX format")
    write_bytes(path, proto.SerializeToString())


def _referring(proto: ModelProto, source: Path, path: Path) -> ModelProto:
    """Copy a model with the locations of data files relative to the new file."""
    resolved, home = relocated(proto, source)
    folder = path.absolute().parent.resolve()
    copy = ModelProto()
    copy.CopyFrom(resolved)
    for tensor in stored_tensors(copy):
        for entry in tensor.external_data:
            if entry.key == "location":
                file = (home / entry.value).resolve()
                if not file.is_relative_to(folder):
                    raise OutputError(
                        f"{path}: cannot refer to data file {file}, which is outside this folder; save to "
                        f"{file.parent}, or embed the weights"
                    )
                entry.value = file.relative_to(folder).as_posix()
    return copy


def _embedded(proto: ModelProto, source: Path) -> ModelProto:
    """Copy a model with external weights embedded."""
    copy = ModelProto()
    copy.CopyFrom(proto)
    external = sum(stored_bytes(tensor) or 0 for tensor in stored_tensors(copy) if external_fields(tensor))
    if proto.ByteSize() + external >= MAX_FILE_BYTES:
        raise ModelError(
            f"{source}: its weights do not fit into one ONNX file (limit 2 GiB); keep them external"
        )
    embed_values(copy, source)
    return copy
