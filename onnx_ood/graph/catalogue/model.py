"""A model read from a file: its proto without external weights, and its tensors."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path

from google.protobuf.message import DecodeError
from onnx import ModelProto, TypeProto

from onnx_ood._arguments import checked
from onnx_ood._paths import as_path
from onnx_ood.exceptions import ModelError
from onnx_ood.graph.catalogue.calls import check_calls
from onnx_ood.graph.catalogue.catalogue import catalogue
from onnx_ood.graph.catalogue.external import data_files, stored_tensors
from onnx_ood.graph.catalogue.inference import infer_types
from onnx_ood.graph.catalogue.nested import NestedTensor, NestedTensors, find_nested_tensors
from onnx_ood.graph.catalogue.nodes import qualified_op
from onnx_ood.graph.catalogue.order import sizes_only
from onnx_ood.graph.catalogue.output_plans import OutputPlans
from onnx_ood.graph.catalogue.tensors import Tensor, type_of
from onnx_ood.graph.catalogue.type_protos import types_in

# Size limit of a protobuf message.
MAX_FILE_BYTES = 2**31


@dataclass(frozen=True)
class Model:
    """An ONNX model with its external weights left on disk. Made by `load`.

    Attributes:
        path: The file.
        proto: The model as read. It is shared and never changed: rewriting works on copies.
        data_files: External data files, empty if all weights are in the model file.
    """

    path: Path
    proto: ModelProto
    data_files: tuple[Path, ...]

    @cached_property
    def _types(self) -> Mapping[str, TypeProto]:
        return types_in(infer_types(self.proto))

    @cached_property
    def tensors(self) -> tuple[Tensor, ...]:
        """Tensors of the main graph: graph inputs, then results of nodes in execution order."""
        return catalogue(self.proto, self._types)

    @cached_property
    def by_name(self) -> dict[str, Tensor]:
        """Tensors of the main graph by name."""
        return {tensor.name: tensor for tensor in self.tensors}

    @cached_property
    def nested(self) -> NestedTensors:
        """The tensors inside control flow and functions in detail, and the types of those in the main graph."""
        return find_nested_tensors(self.proto, self._types)

    @cached_property
    def nested_tensors(self) -> tuple[Tensor, ...]:
        """Tensors inside control flow and functions, named by scoped path."""
        nodes = self.proto.graph.node
        return tuple(
            # As deep as the results of the main graph's node around it.
            _tensor_of(nested, len(self.tensors) + i, self._depth(nodes[nested.steps[0][0]].output))
            for i, nested in enumerate(self.nested.tensors)
        )

    def _depth(self, names: Iterable[str]) -> int:
        return max((self.by_name[name].depth for name in names if name), default=0)

    @cached_property
    def all_tensors(self) -> tuple[Tensor, ...]:
        """All tensors in execution order; those inside a node come before the node's results."""
        inside: defaultdict[int, list[Tensor]] = defaultdict(list)
        for nested, tensor in zip(self.nested.tensors, self.nested_tensors, strict=True):
            inside[nested.steps[0][0]].append(tensor)
        producer = {name: i for i, node in enumerate(self.proto.graph.node) for name in node.output if name}
        merged: list[Tensor] = []
        for tensor in self.tensors:
            if not tensor.is_input:
                merged += inside.pop(producer[tensor.name], ())
            merged.append(tensor)
        return tuple(merged)

    @cached_property
    def nested_by_path(self) -> dict[str, NestedTensor]:
        """Tensors inside control flow and functions in detail, by scoped path."""
        return {nested.path: nested for nested in self.nested.tensors}

    @cached_property
    def sizes(self) -> frozenset[str]:
        """Names of the main graph's tensors that depend on the shapes of inputs only, not on their values."""
        return sizes_only(self.proto)

    @cached_property
    def output_plans(self) -> OutputPlans:
        """Output plan of each tensor, or the reason for its refusal."""
        return OutputPlans(self.nested, self.opsets.get("ai.onnx", 1))

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """The inputs to feed: graph inputs without an initializer."""
        return tuple(tensor for tensor in self.tensors if tensor.is_input)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the model's outputs, in file order."""
        return tuple(value.name for value in self.proto.graph.output)

    @property
    def opsets(self) -> dict[str, int]:
        """Opset version by domain; the standard domain is `"ai.onnx"`."""
        return {entry.domain or "ai.onnx": entry.version for entry in self.proto.opset_import}

    @cached_property
    def parameters(self) -> int:
        """Number of elements of all initializers and constants, subgraphs included."""
        return sum(prod(tensor.dims) for tensor in stored_tensors(self.proto))

    @cached_property
    def size(self) -> int:
        """Bytes on disk, external data included."""
        return sum(path.stat().st_size for path in (self.path, *self.data_files))

    @cached_property
    def operators(self) -> Counter[str]:
        """Number of nodes of the main graph by operator type, `domain::Type` outside the standard domain."""
        return Counter(map(qualified_op, self.proto.graph.node))


def _tensor_of(nested: NestedTensor, index: int, depth: int) -> Tensor:
    dtype, shape = type_of(nested.type) if nested.type is not None else (None, None)
    return Tensor(
        name=nested.path,
        op=nested.node.op_type,
        domain=nested.node.domain,
        node="" if nested.argument else nested.node.name,
        dtype=dtype,
        shape=shape,
        index=index,
        depth=depth,
        activation=nested.activation and not nested.constant,
        constant=nested.constant,
        output=False,
        consumers=0,
        scope=nested.scope,
    )


@checked
def load(path: str | Path) -> Model:
    """Read a model; weights in external data files stay on disk.

    Args:
        path: An ONNX file in the binary protobuf format.

    Returns:
        The model.

    Raises:
        UsageError: If `path` is not a path.
        ModelError: If the file cannot be read or is not an ONNX model, or if an external data file is missing,
            truncated or outside the model's folder.

    Examples:
        >>> from onnx_ood import load, models
        >>> model = load(models.path("fashion_cnn"))
        >>> model.outputs
        ('logits',)
    """
    path = as_path(path, "model")
    content = _read(path)
    proto = ModelProto()
    try:
        proto.ParseFromString(content)
    except DecodeError:
        if content.lstrip()[:1] == b"{":
            raise ModelError(
                f"{path}: holds JSON, not an ONNX model; onnx_ood.read_result reads stored results"
            ) from None
        raise ModelError(
            f"{path}: is not an ONNX model, or is damaged ({len(content)} bytes read); export or fetch it again"
        ) from None
    # Random bytes can parse as an empty message, so check for fields that every model has.
    if not proto.ir_version or not proto.opset_import or not (proto.graph.node or proto.graph.output):
        raise ModelError(f"{path}: is not an ONNX model: it has no graph")
    model = Model(path, proto, data_files(proto, path))
    try:
        check_calls(proto)
        # Computed now, so that an invalid graph is reported on loading.
        _ = model.tensors
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None
    except UnicodeDecodeError:
        raise ModelError(
            f"{path}: is damaged: a name in it is not valid UTF-8; export or fetch it again"
        ) from None
    return model


def _read(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise ModelError(f"{path}: is a folder; name the .onnx file in it")
        if path.exists() and not path.is_file():
            raise ModelError(f"{path}: is not a regular file")
        if path.stat().st_size >= MAX_FILE_BYTES:
            raise ModelError(
                f"{path}: is larger than 2 GiB, the limit of the ONNX format; keep the weights of larger models in "
                "external data files"
            )
        return path.read_bytes()
    except FileNotFoundError:
        raise ModelError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
