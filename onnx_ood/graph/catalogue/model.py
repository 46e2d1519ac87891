"""A model read from a file: its proto without external weights, and its tensors."""

from __future__ import annotations

import functools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

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
from onnx_ood.graph.catalogue.nodes import qualified_op, standard_opset
from onnx_ood.graph.catalogue.order import dependents, execution_order, sizes_only
from onnx_ood.graph.catalogue.output_plans import OutputPlans
from onnx_ood.graph.catalogue.tensors import Shape, Tensor, dtype_name, type_of
from onnx_ood.graph.catalogue.type_protos import types_in
from onnx_ood.graph.catalogue.utf8 import check_texts

# Size limit of a protobuf message.
MAX_FILE_BYTES = 2**31


Parameters = ParamSpec("Parameters")
Derived = TypeVar("Derived")


def once_per_model(
    function: Callable[Concatenate[Model, Parameters], Derived],
) -> Callable[Concatenate[Model, Parameters], Derived]:
    """Keep the results of a function of a model, as long as the model is in memory.

    Args:
        function: The function. Its other arguments are hashable, and its results are not changed.
    """

    @functools.wraps(function)
    def kept(model: Model, /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Derived:
        key = (function, args, tuple(sorted(kwargs.items())))
        if key not in model.derived:
            model.derived[key] = function(model, *args, **kwargs)
        found: Derived = model.derived[key]
        return found

    return kept


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

    def __reduce__(self) -> tuple[Callable[[Path], Model], tuple[Path]]:
        """Pickle the path alone: the file is read again."""
        return load, (self.path,)

    @cached_property
    def derived(self) -> dict[tuple[Any, ...], Any]:
        """Results of functions with `once_per_model`."""
        return {}

    @cached_property
    def types(self) -> Mapping[str, TypeProto]:
        """Types of the main graph's values by name, as onnx and onnxruntime infer them."""
        return types_in(infer_types(self.proto))

    @cached_property
    def tensors(self) -> tuple[Tensor, ...]:
        """Tensors of the main graph: graph inputs, then results of nodes in execution order."""
        return catalogue(self.proto, self.types)

    @cached_property
    def by_name(self) -> dict[str, Tensor]:
        """Tensors of the main graph by name."""
        return {tensor.name: tensor for tensor in self.tensors}

    @cached_property
    def nested(self) -> NestedTensors:
        """The tensors inside control flow and functions in detail, and the types of those in the main graph."""
        return find_nested_tensors(self.proto, self.types)

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

    def branches_by(self, name: str) -> bool:
        """Return whether the values of a tensor decide which branch of an `If` in the main graph is taken."""
        reached = dependents(execution_order(self.proto.graph.node), name) - self.sizes
        return any(
            node.op_type == "If" and node.input[0] in {name, *reached} for node in self.proto.graph.node
        )

    @cached_property
    def next_floats(self) -> Mapping[str, str]:
        """First inner tensor of floats with data after each tensor, by the tensor's name; the first of all by ""."""
        found: dict[str, str] = {}
        following = ""
        for tensor in reversed(self.all_tensors):
            found[tensor.name] = following
            if tensor.floating and not (tensor.is_input or tensor.constant or tensor.name in self.sizes):
                following = tensor.name
        return {**found, "": following}

    @cached_property
    def dequantized(self) -> Mapping[str, str]:
        """Result of the first DequantizeLinear in the main graph that reads a tensor, by the tensor's name."""
        return {
            node.input[0]: node.output[0]
            for node in reversed(self.proto.graph.node)
            if node.op_type == "DequantizeLinear" and node.input and node.output
        }

    @cached_property
    def output_plans(self) -> OutputPlans:
        """Output plan of each tensor, or the reason for its refusal."""
        return OutputPlans(self.nested, self.standard_opset)

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """The inputs to feed: graph inputs without an initializer."""
        return tuple(tensor for tensor in self.tensors if tensor.is_input)

    @cached_property
    def initializers(self) -> tuple[Tensor, ...]:
        """The initializers of the main graph, as constant tensors outside the execution order."""
        return tuple(
            _constant(stored.name, "Initializer", dtype_name(stored.data_type), tuple(stored.dims))
            for stored in self.proto.graph.initializer
        )

    @cached_property
    def output_tensors(self) -> tuple[Tensor, ...]:
        """The tensors that are the model's outputs, in file order; an output may also be an input or an initializer."""
        known = {tensor.name: tensor for tensor in (*self.initializers, *self.tensors)}
        return tuple(known.get(name) or _constant(name, "", None, None) for name in self.outputs)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the model's outputs, in file order."""
        return tuple(value.name for value in self.proto.graph.output)

    @property
    def opsets(self) -> dict[str, int]:
        """Opset version by domain; the standard domain is `"ai.onnx"`."""
        return {entry.domain or "ai.onnx": entry.version for entry in self.proto.opset_import}

    @property
    def standard_opset(self) -> int:
        """Version of the standard operators; in a file without any, one that they can be added in."""
        return standard_opset(self.proto)

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


def _constant(name: str, op: str, dtype: str | None, shape: Shape) -> Tensor:
    return Tensor(
        name=name,
        op=op,
        domain="",
        node="",
        dtype=dtype,
        shape=shape,
        index=0,
        depth=0,
        activation=False,
        constant=True,
        output=False,
        consumers=0,
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
    _refuse_other_formats(path, content)
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
    with _naming(path):
        check_texts(proto)
        check_calls(proto)
    model = Model(path, proto, data_files(proto, path))
    with _naming(path):
        # Computed now, so that an invalid graph is reported on loading.
        _ = model.tensors
    return model


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Put the file's name before the messages of errors."""
    try:
        yield
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None


# The way back from onnxruntime's own format.
_FROM_ORT = (
    "export the original model again, or turn this one back by `import onnxruntime as o; s = o.SessionOptions(); "
    "s.graph_optimization_level = o.GraphOptimizationLevel.ORT_DISABLE_ALL; "
    "s.optimized_model_filepath = 'model.onnx'; "
    "s.add_session_config_entry('session.save_model_format', 'ONNX'); o.InferenceSession({name!r}, s)`"
)


def _refuse_other_formats(path: Path, content: bytes) -> None:
    """Refuse files that are known by their first bytes, with what to do instead."""
    start = content[:512].lstrip()
    if content[4:8] == b"ORTM":
        raise ModelError(
            f"{path}: is not an ONNX model but in onnxruntime's own format (.ort); {_FROM_ORT.format(name=path.name)}"
        )
    if start.startswith(b"version https://git-lfs"):
        raise ModelError(
            f"{path}: is not an ONNX model but a pointer of Git LFS; fetch the model by `git lfs pull`"
        )
    if start[:15].lower().startswith((b"<!doctype html", b"<html")):
        raise ModelError(f"{path}: is not an ONNX model but a web page; download the file itself")
    if content.startswith(b"PK\x03\x04"):
        raise ModelError(
            f"{path}: is not an ONNX model but a zip archive (as torch.save writes too); unpack it, or export the "
            "model to ONNX"
        )


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
