"""One onnxruntime session: the only place that creates and runs them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import ModelProto

from onnx_ood.exceptions import ModelError, ProviderError
from onnx_ood.graph import PREFIX, relocated
from onnx_ood.runtime.blocked_layout import keep_blocked, sample_model, width_of
from onnx_ood.runtime.memory import trim_heap
from onnx_ood.runtime.providers import EXECUTION_PROVIDERS, Provider
from onnx_ood.runtime.threads import run_threads

# Floating-point tensor types of the runtime, in numpy's spelling.
_DTYPES = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(float16)": "float16",
    "tensor(bfloat16)": "bfloat16",
}

# Results of ZipMap, as converters of scikit-learn return probabilities.
_MAPS = re.compile(r"seq\(map\((?:int64|string),tensor\(float\)\)\)")
_SHAPE_OPS = frozenset({"Concat", "Gather", "Shape"})

# Messages of the runtime's arenas, CUDA and its libraries when memory is short.
_NO_MEMORY = re.compile(
    "failed to allocate memory|out of memory|ALLOC_FAILED|bad allocation|bad_alloc|"
    "available memory of .* is smaller than requested",
    re.IGNORECASE,
)

# Status codes that the runtime puts before a reason ("[ONNXRuntimeError] : 1 : FAIL : "), also inside other messages.
_STATUS = re.compile(r"(\[ONNXRuntimeError\] : )?\b\d+ : [A-Z][A-Z_]+ : ")
# Source files of the runtime with a line number; the signature of a C++ function follows.
_SOURCE_POSITION = re.compile(r"(\b[A-Za-z]:)?[\\/][^\s:]*\.(cc|cpp|cu|cuh|h|hpp):\d+ ")

_CUDA_OPTIONS = {
    # The default search times every algorithm for every new shape; the heuristic is as good for one pass.
    "cudnn_conv_algo_search": "HEURISTIC",
    # Grow by the size needed, not by powers of two, so that memory stays bounded by the batch.
    "arena_extend_strategy": "kSameAsRequested",
}


class OutOfMemoryError(ModelError):
    """A run needed more memory than the device has; fewer inputs may fit."""


class Session:
    """A model in onnxruntime, on one provider.

    Attributes:
        provider: `"cuda"` or `"cpu"`.
        placement: Number of nodes, after the runtime's fusions, that run on each execution provider.
        fallback_nodes: Names of added nodes that don't run on the provider, except those that compute shapes.
        dtypes: Element type of each output by name: `"float32"` and so on for tensors of floats, the runtime's own
            word (`"tensor(int64)"`, `"seq(map(int64,tensor(float)))"`) for other types. A tensor that an output
            carries is listed under its own name; one that arrives in a sequence has the type of its elements.
        blocked: Outputs in blocked order, and tensors that these carry: [N, C, ...] by their shape, with channels in
            blocks of `block_width()`.
    """

    def __init__(
        self,
        model: ModelProto,
        path: Path,
        provider: Provider,
        *,
        exact: bool = False,
        tf32: bool = False,
        carriers: Mapping[str, str] | None = None,
        unordered: Collection[str] = (),
        in_order: bool = False,
    ) -> None:
        """Create the session.

        Args:
            model: The model to run, without its external data.
            path: File of the original: external data is read from its folder, and errors name it.
            provider: Where to run.
            carriers: Outputs that carry a tensor of another name, by that name.
            exact: True to run the nodes of the file without fusions, so that marking outputs can't change a bit of the
                results; slower.
            tf32: True to let CUDA round products to TF32; the CPU has none.
            unordered: Outputs whose units may come in any order if that is faster.
            in_order: True to run nodes in the order of the model as far as possible.

        Raises:
            ModelError: If onnxruntime refuses the model.
            ProviderError: If the session can't be created on `provider`.
        """
        self._path = path
        self.provider: Provider = provider
        self._tf32, self._in_order = tf32, in_order
        self._buffers: dict[str, onnxruntime.OrtValue] = {}
        self._carriers = dict(carriers or {})
        self.blocked: frozenset[str] = frozenset()
        model, folder = relocated(model, path)
        if unordered and provider == "cpu" and not exact and _convolves(model):
            self._session = self._blocked(model, folder, unordered)
        else:
            self._session = self._create(model, folder, exact=exact)
        wanted = EXECUTION_PROVIDERS[provider]
        if wanted not in self._session.get_providers():
            raise ProviderError(f"{path}: onnxruntime created no session on {wanted}; see onnx-ood doctor")
        placed = [
            (node.name, node.op_type, part.ep_name)
            for part in self._session.get_provider_graph_assignment_info()
            for node in part.get_nodes()
        ]
        self.placement: dict[str, int] = dict(Counter(where for _, _, where in placed))
        # The CUDA provider expects shapes on the CPU.
        self.fallback_nodes = tuple(
            name
            for name, op, where in placed
            if where != wanted and op not in _SHAPE_OPS and name.startswith(PREFIX)
        )
        types = {output.name: output.type for output in self._session.get_outputs()}
        self._maps = frozenset(name for name, kind in types.items() if _MAPS.fullmatch(kind))
        self.dtypes: dict[str, str] = {
            name: "float32" if name in self._maps else _DTYPES.get(kind, kind) for name, kind in types.items()
        }
        for name, carrier in self._carriers.items():
            kind = types[carrier]
            if kind.startswith("seq(tensor("):
                kind = kind.removeprefix("seq(").removesuffix(")")
            self.dtypes[name] = _DTYPES.get(kind, kind)

    def _create(
        self, model: ModelProto, folder: Path, *, exact: bool = False, written_to: Path | None = None
    ) -> onnxruntime.InferenceSession:
        """Load a model into the runtime.

        Args:
            model: The model.
            folder: Folder of its external data.
            exact: True to run without fusions.
            written_to: File for the optimised model; None to write none.
        """
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # Everything that matters is raised.
        if exact:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        if self._in_order:
            # The first node of those that are ready runs next; by default, nodes without consumers come last.
            options.execution_order = onnxruntime.ExecutionOrder.PRIORITY_BASED
        options.intra_op_num_threads = run_threads(self.provider)
        # Threads of the runtime that spin after a run would slow down reduction and decoding.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(folder))
        if written_to is not None:
            options.optimized_model_filepath = str(written_to)
            # Weights go to a file of their own, so that the graph can be changed without reading them.
            options.add_session_config_entry(
                "session.optimized_model_external_initializers_file_name", f"{written_to.name}.data"
            )
        providers: list[str | tuple[str, dict[str, str]]] = [EXECUTION_PROVIDERS["cpu"]]
        if self.provider == "cuda":
            # TF32 rounds products to 10 bits of mantissa, which swamps small nudges.
            cuda = {**_CUDA_OPTIONS, "use_tf32": "1" if self._tf32 else "0"}
            providers.insert(0, (EXECUTION_PROVIDERS["cuda"], cuda))
        try:
            # Without a fallback the runtime prints nothing; failures are raised.
            session = onnxruntime.InferenceSession(
                model.SerializeToString(), options, providers=providers, enable_fallback=0
            )
        except Exception as error:
            raise ModelError(f"{self._path}: onnxruntime cannot load it: {_reason(error)}") from error
        trim_heap()
        return session

    def _blocked(
        self, model: ModelProto, folder: Path, unordered: Collection[str]
    ) -> onnxruntime.InferenceSession:
        """Create a session whose outputs stay in blocked order where possible."""
        try:
            temporary = TemporaryDirectory(prefix="onnx_ood-", ignore_cleanup_errors=True)
        except OSError:  # a read-only file system
            return self._create(model, folder)
        # The files are gone as soon as the session has read them.
        with temporary as name:
            written_to = Path(name) / "optimized.onnx"
            try:
                session = self._create(model, folder, written_to=written_to)
            except ModelError:
                # If the model is the cause, this raises too; else there is no room for it on disk.
                return self._create(model, folder)
            optimized = onnx.load(written_to, load_external_data=False)
            blocked = keep_blocked(optimized, unordered)
            if blocked:
                del session  # One set of weights is enough.
                session = self._create(optimized, written_to.parent, exact=True)
                carried = {name: blocked.get(carrier, carrier) for name, carrier in self._carriers.items()}
                self._carriers = blocked | carried
                self.blocked = frozenset(
                    name for name, tensor in self._carriers.items() if tensor in blocked.values()
                )
        return session

    def element(self, output: str) -> str:
        """Element type of an output that is a tensor, in numpy's spelling where numpy has it."""
        return self.dtypes[output].removeprefix("tensor(").removesuffix(")")

    def is_tensor(self, output: str) -> bool:
        """Return whether an output is read as a dense tensor: not a sequence, single map or optional value."""
        dtype = self.dtypes[output]
        return dtype.startswith("tensor(") or "(" not in dtype

    def run(
        self, outputs: Sequence[str], feeds: Mapping[str, NDArray[np.generic]]
    ) -> list[NDArray[np.generic]]:
        """Run the model once.

        Args:
            outputs: Names of the outputs to fetch, or of the tensors that they carry.
            feeds: One array per input, by name.

        Returns:
            The outputs as numpy arrays, in the order requested. A sequence, one tensor per iteration of a loop, is
            stacked along a new first axis. A list of maps (class to probability) becomes one row per map, in the order
            of the keys.

        Raises:
            ModelError: If the run fails, with the runtime's reason; or if tensors in a sequence differ in shape.
        """
        carriers = [self._carriers.get(name, name) for name in outputs]
        fetched = list(dict.fromkeys(carriers))
        if not fetched:  # The runtime would fetch all outputs.
            return []
        with self._running():
            values = dict(zip(fetched, self._session.run(fetched, dict(feeds)), strict=True))
        return [
            self._stacked(name, value) if isinstance(value := values[carrier], list) else value
            for name, carrier in zip(outputs, carriers, strict=True)
        ]

    def bring(self, array: NDArray[np.generic]) -> onnxruntime.OrtValue:
        """Copy an array to the device, where it stays as long as the result is kept.

        Args:
            array: Any array of numbers.

        Returns:
            A value that `run_bound` accepts in place of the array, any number of times.

        Raises:
            ModelError: If there is no room for it.
        """
        with self._running():
            return onnxruntime.OrtValue.ortvalue_from_numpy(np.asarray(array, order="C"), self.provider, 0)

    def run_bound(
        self,
        outputs: Mapping[str, tuple[int, ...] | None],
        feeds: Mapping[str, NDArray[np.generic] | onnxruntime.OrtValue],
    ) -> list[NDArray[np.generic]]:
        """Run the model once with inputs and outputs bound to memory of the device.

        Nothing waits between the copy of the inputs and the end of the run.

        Args:
            outputs: Shape of each output to fetch, or None if unknown. Outputs of known shape are written into device
                memory that is kept from run to run; the runtime allocates the rest.
            feeds: One value per input, by name: arrays, which the runtime copies to where they are read, or results of
                `bring`.

        Returns:
            The outputs as arrays of their own, in the order requested.

        Raises:
            ModelError: If the run fails, with the runtime's reason.
        """
        with self._running():
            binding = self._session.io_binding()
            for name, value in feeds.items():
                if isinstance(value, onnxruntime.OrtValue):
                    binding.bind_ortvalue_input(name, value)
                else:
                    binding.bind_cpu_input(name, np.asarray(value, order="C"))
            for name, shape in outputs.items():
                if shape is None:
                    binding.bind_output(name)
                else:
                    buffer = self._buffer(name, prod(shape))
                    binding.bind_output(
                        name, self.provider, 0, np.dtype(self.dtypes[name]), shape, buffer.data_ptr()
                    )
            binding.synchronize_inputs()
            self._session.run_with_iobinding(binding)
            binding.synchronize_outputs()
            found: list[NDArray[np.generic]] = binding.copy_outputs_to_cpu()
        return found

    def _buffer(self, output: str, size: int) -> onnxruntime.OrtValue:
        """Device memory for an output; a run with fewer inputs uses the front of it."""
        if output in self._buffers and prod(self._buffers[output].shape()) < size:
            del self._buffers[output]  # Free the old one before allocating the new one.
        if output not in self._buffers:
            self._buffers[output] = onnxruntime.OrtValue.ortvalue_from_shape_and_type(
                [size], np.dtype(self.dtypes[output]), self.provider, 0
            )
        return self._buffers[output]

    @contextmanager
    def _running(self) -> Iterator[None]:
        """Turn exceptions of the runtime into ours."""
        try:
            yield
        except Exception as error:
            kind = OutOfMemoryError if _NO_MEMORY.search(str(error)) else ModelError
            raise kind(f"{self._path}: onnxruntime cannot run it: {_reason(error)}") from error

    def _stacked(self, name: str, values: list[Any]) -> NDArray[np.generic]:
        if name in self._maps:
            return np.array([[row[key] for key in sorted(row)] for row in values], np.float32)
        if len({value.shape for value in values}) > 1:
            raise ModelError(
                f"{self._path}: {name!r} changes its shape between iterations and cannot be measured; "
                "choose other probes"
            )
        return np.stack(values) if values else np.zeros(0, self.dtypes[name])


@cache
def block_width() -> int:
    """Return the number of channels in a block of a `blocked` output: it depends on the processor."""
    model, values = sample_model()
    session = Session(model, Path("sample.onnx"), "cpu", unordered=["y"])
    assert session.blocked, "only known where sessions have blocked outputs"
    return width_of(session.run(["y"], {"x": values})[0].astype(np.float32, copy=False))


def _convolves(model: ModelProto) -> bool:
    return any(node.op_type.endswith("Conv") for node in model.graph.node)


def _reason(error: Exception) -> str:
    """Extract the runtime's reason, on one line, without status codes and C++ source positions.

    >>> _reason(RuntimeError("[ONNXRuntimeError] : 1 : FAIL : Load failed:/src/model.cc:256 M::M(int, F()) No."))
    'Load failed: No.'
    """
    text = _STATUS.sub("", str(error))
    reason = ""
    while position := _SOURCE_POSITION.search(text):
        reason += text[: position.start()] + " "
        text = _without_signature(text[position.end() :])
    return " ".join((reason + text).split())


def _without_signature(text: str) -> str:
    """Drop the C++ function signature at the start of a text: all up to the end of its parameters."""
    depth = 0
    for i, character in enumerate(text):
        depth += (character in "(<[") - (character in ")>]")
        if character == ")" and depth == 0 and text[i + 1 : i + 2] != "(":
            return re.sub(r"^( const| noexcept)*( \[with [^]]*\])?", "", text[i + 1 :])
    return text
