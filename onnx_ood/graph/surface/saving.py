"""Writing a rewritten model to a file, its external weights where they are or put into it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from onnx import ModelProto, TensorProto

from onnx_ood.exceptions import ModelError, OutputError
from onnx_ood.graph.catalogue.external import external_fields, relocated, stored_tensors

# What a protobuf message can hold at most.
_LARGEST = 2**31


def save(proto: ModelProto, source: Path, path: Path, *, embed: bool) -> None:
    """Writes a model as a whole: readers see the old file or the new one, nothing between.

    External data files are only named, never written, copied or read, unless `embed`.

    Args:
        proto: The model, its external data not loaded; it is not changed.
        source: The file that it was made from, beside which its data files are.
        path: Where to.
        embed: Puts external weights into the file.

    Raises:
        OutputError: If the file can't be written there, or its data can't be reached from there.
        ModelError: If the model is too large for one file.
    """
    data = {
        (source.absolute().parent / location).resolve()
        for tensor in stored_tensors(proto)
        if (location := external_fields(tensor).get("location", ""))
    }
    if _resolved(path) in {source.resolve(), *data}:
        raise OutputError(f"{path}: is the model that is to be rewritten, or its data; choose another name")
    if data:
        proto = _embedded(proto, source) if embed else _beside(proto, source, path)
    if proto.ByteSize() >= _LARGEST:
        raise ModelError(f"{path}: would be larger than 2 GiB, which no ONNX file can be")
    _write(path, proto.SerializeToString())


def _resolved(path: Path) -> Path:
    try:
        if b"\0" in os.fsencode(path):
            raise OutputError(f"{str(path)!r}: can't be the name of a file: it holds a NUL character")
        return path.resolve()
    except UnicodeEncodeError:
        raise OutputError(f"{str(path)!r}: can't be the name of a file on this system") from None
    except (OSError, RuntimeError) as error:
        # Python before 3.13 has a RuntimeError for links in a circle.
        raise OutputError(f"{path}: cannot be written: {error}") from None


def _beside(proto: ModelProto, source: Path, path: Path) -> ModelProto:
    """A copy whose data files are named as they are seen from the new file."""
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
                        f"{path}: can't name its data file {file}, which is not in or below this folder; save to "
                        f"{file.parent}, or embed the weights"
                    )
                entry.value = file.relative_to(folder).as_posix()
    return copy


def _embedded(proto: ModelProto, source: Path) -> ModelProto:
    """A copy that holds its weights itself."""
    resolved, home = relocated(proto, source)
    copy = ModelProto()
    copy.CopyFrom(resolved)
    external = [tensor for tensor in stored_tensors(copy) if external_fields(tensor)]
    spans = []
    for tensor in external:
        fields = external_fields(tensor)
        file, offset = home / fields["location"], int(fields.get("offset", "0"))
        spans.append((file, offset, int(fields.get("length", file.stat().st_size - offset))))
    if proto.ByteSize() + sum(length for _, _, length in spans) >= _LARGEST:
        raise ModelError(
            f"{source}: its weights don't fit into one ONNX file, which holds 2 GiB; keep them external"
        )
    for tensor, (file, offset, length) in zip(external, spans, strict=True):
        with file.open("rb") as stream:
            stream.seek(offset)
            tensor.raw_data = stream.read(length)
        del tensor.external_data[:]
        tensor.data_location = TensorProto.DEFAULT
    return copy


def _write(path: Path, content: bytes) -> None:
    try:
        if path.is_dir():
            raise OutputError(f"{path}: is a folder; name a file in it")
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            # mkstemp makes files for the owner only; a model is as readable as any other new file.
            mask = os.umask(0)
            os.umask(mask)
            temporary.chmod(0o666 & ~mask)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from None
