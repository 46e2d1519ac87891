"""A model read from a file: its proto without external weights, and the catalogue of its tensors."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path

from google.protobuf.message import DecodeError
from onnx import ModelProto

from onnx_ood.exceptions import ModelError
from onnx_ood.graph.catalogue.calls import check_calls
from onnx_ood.graph.catalogue.catalogue import catalogue
from onnx_ood.graph.catalogue.external import data_files, stored_tensors
from onnx_ood.graph.catalogue.nested import NestedTensor, NestedTensors, find_nested_tensors
from onnx_ood.graph.catalogue.order import sizes_only
from onnx_ood.graph.catalogue.output_plans import OutputPlans
from onnx_ood.graph.catalogue.tensors import Tensor, type_of

# What a protobuf message can hold at most.
_LARGEST = 2**31


@dataclass(frozen=True)
class Model:
    """An ONNX model whose external weights stay on disk. Made by `load`.

    Attributes:
        path: The file it was read from.
        proto: The model as read. Shared and never changed: rewriting works on copies.
        data_files: External data files, empty for a model that holds its weights itself.
    """

    path: Path
    proto: ModelProto
    data_files: tuple[Path, ...]

    @cached_property
    def tensors(self) -> tuple[Tensor, ...]:
        """The catalogue: graph inputs, then every tensor that a node computes, in execution order."""
        return catalogue(self.proto)

    @cached_property
    def by_name(self) -> dict[str, Tensor]:
        """The catalogue by tensor name."""
        return {tensor.name: tensor for tensor in self.tensors}

    @cached_property
    def nested(self) -> NestedTensors:
        """The tensors inside control flow and functions as rewriting needs them, and the types of all tensors."""
        return find_nested_tensors(self.proto)

    @cached_property
    def nested_tensors(self) -> tuple[Tensor, ...]:
        """The tensors inside control flow and functions; the name of each is its scoped path."""
        nodes = self.proto.graph.node
        return tuple(
            # As deep as what the node gives in which it is.
            _tensor_of(inner, len(self.tensors) + i, self._depth(nodes[inner.steps[0][0]].output))
            for i, inner in enumerate(self.nested.tensors)
        )

    def _depth(self, names: Iterable[str]) -> int:
        return max((self.by_name[name].depth for name in names if name), default=0)

    @cached_property
    def all_tensors(self) -> tuple[Tensor, ...]:
        """Catalogue and inner tensors in execution order: what is inside a node comes before what the node gives."""
        inside: defaultdict[int, list[Tensor]] = defaultdict(list)
        for inner, tensor in zip(self.nested.tensors, self.nested_tensors, strict=True):
            inside[inner.steps[0][0]].append(tensor)
        producer = {name: i for i, node in enumerate(self.proto.graph.node) for name in node.output if name}
        merged: list[Tensor] = []
        for tensor in self.tensors:
            if not tensor.is_input:
                merged += inside.pop(producer[tensor.name], ())
            merged.append(tensor)
        return tuple(merged)

    @cached_property
    def nested_by_path(self) -> dict[str, NestedTensor]:
        """What rewriting knows of the tensors inside control flow and functions, by scoped path."""
        return {inner.path: inner for inner in self.nested.tensors}

    @cached_property
    def sizes(self) -> frozenset[str]:
        """Tensors of the main graph that depend on the sizes of inputs alone, not on what is in them."""
        return sizes_only(self.proto)

    @cached_property
    def output_plans(self) -> OutputPlans:
        """Whether and how each tensor gets out of the graph that it is in."""
        return OutputPlans(self.nested, self.opsets.get("ai.onnx", 1))

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """The inputs that have to be fed."""
        return tuple(tensor for tensor in self.tensors if tensor.is_input)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the model's own outputs, in file order."""
        return tuple(value.name for value in self.proto.graph.output)

    @property
    def opsets(self) -> dict[str, int]:
        """Opset version by domain; the standard domain is `"ai.onnx"`."""
        return {entry.domain or "ai.onnx": entry.version for entry in self.proto.opset_import}

    @cached_property
    def parameters(self) -> int:
        """Number of stored numbers: elements of all initializers and constants, subgraphs included."""
        return sum(prod(tensor.dims) for tensor in stored_tensors(self.proto))

    @cached_property
    def size(self) -> int:
        """Bytes on disk, external data included."""
        return sum(path.stat().st_size for path in (self.path, *self.data_files))

    @cached_property
    def operators(self) -> Counter[str]:
        """How many nodes of the main graph have each operator type, `domain::Type` outside the standard domain."""
        return Counter(
            f"{node.domain}::{node.op_type}" if node.domain not in {"", "ai.onnx"} else node.op_type
            for node in self.proto.graph.node
        )


def _tensor_of(inner: NestedTensor, index: int, depth: int) -> Tensor:
    dtype, shape = type_of(inner.type) if inner.type is not None else (None, None)
    return Tensor(
        name=inner.path,
        op=inner.node.op_type,
        domain=inner.node.domain,
        node="" if inner.argument else inner.node.name,
        dtype=dtype,
        shape=shape,
        index=index,
        depth=depth,
        activation=inner.activation and not inner.constant,
        constant=inner.constant,
        output=False,
        consumers=0,
        scope=inner.scope,
    )


def load(path: str | Path) -> Model:
    """Reads a model's graph; weights in external data files stay on disk.

    Args:
        path: An ONNX file in the binary protobuf format.

    Returns:
        The model with its catalogue of tensors.

    Raises:
        ModelError: If the file cannot be read or is not an ONNX model, or if an external data file is missing,
            truncated or lies outside the model's folder.
    """
    path = Path(path)
    content = _read(path)
    proto = ModelProto()
    try:
        proto.ParseFromString(content)
    except DecodeError:
        raise ModelError(
            f"{path}: is not an ONNX model, or is damaged ({len(content)} bytes read); export or fetch it again"
        ) from None
    # Random bytes can parse as an empty message, so what every model has is asked for.
    if not proto.ir_version or not proto.opset_import or not (proto.graph.node or proto.graph.output):
        raise ModelError(f"{path}: is not an ONNX model: it has no graph")
    model = Model(path, proto, data_files(proto, path))
    try:
        check_calls(proto)
        # Made now, so that a graph that is none is found where the file is read.
        _ = model.tensors
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None
    except UnicodeDecodeError:
        raise ModelError(f"{path}: is damaged: a name in it is no text; export or fetch it again") from None
    return model


def _read(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise ModelError(f"{path}: is a folder; name the .onnx file in it")
        if path.exists() and not path.is_file():
            raise ModelError(f"{path}: is no regular file")
        if path.stat().st_size >= _LARGEST:
            raise ModelError(
                f"{path}: is larger than 2 GiB, which no ONNX file can be; larger models keep their weights in "
                "external data files"
            )
        return path.read_bytes()
    except FileNotFoundError:
        raise ModelError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
