"""Origin of a result: the model file, the versions of the software, and where the model's nodes ran."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy
import onnx
import onnxruntime
from pydantic import Field

from onnx_ood.exceptions import ModelError
from onnx_ood.graph import Model
from onnx_ood.inputs.files import name_of
from onnx_ood.results.base import Environment, Part

_MAX_NAMED_NODES = 3


class ModelFacts(Part):
    """The audited model."""

    path: str
    sha256: str = Field(description="Of the model file itself, without external data.")
    size: int = Field(description="Bytes on disk, with external data.")
    parameters: int
    opsets: dict[str, int]
    producer: str


def model_facts(model: Model) -> ModelFacts:
    """Collect the facts of a loaded model; reads its file once more for the hash.

    Raises:
        ModelError: If the file can't be read.
    """
    return ModelFacts(
        path=name_of(model.path),
        sha256=file_hash(model.path),
        size=model.size,
        parameters=model.parameters,
        opsets=model.opsets,
        producer=f"{model.proto.producer_name} {model.proto.producer_version}".strip(),
    )


def external_hashes(model: Model) -> dict[str, str]:
    """Hash all external data files of a model; takes seconds for large ones.

    Args:
        model: A loaded model.

    Returns:
        SHA-256 by path relative to the model's folder; empty for a model without external data.

    Raises:
        ModelError: If a file can't be read.
    """
    folder = model.path.parent
    return {path.relative_to(folder).as_posix(): file_hash(path) for path in sorted(model.data_files)}


def file_hash(path: Path) -> str:
    """Compute the SHA-256 of a file of a model, reading it in chunks.

    Raises:
        ModelError: If the file can't be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror or error}") from None


def environment() -> Environment:
    """Collect the versions of the running software."""
    return Environment(
        onnx_ood=version("onnx_ood"),
        onnx=onnx.__version__,
        onnxruntime=onnxruntime.__version__,
        numpy=numpy.__version__,
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
    )


def placement_text(placement: Mapping[str, int]) -> str:
    """Describe how many nodes ran on each execution provider.

    >>> placement_text({"CUDA": 12, "CPU": 1})
    '12 nodes on CUDA, 1 node on CPU'
    """
    return ", ".join(f"{count} node{'s' * (count > 1)} on {name}" for name, count in placement.items())


def fallback_report(names: Sequence[str]) -> str:
    """Report added nodes that ran on the CPU although the model ran on the GPU.

    Args:
        names: Names of the nodes, at least one.
    """
    shown = ", ".join(names[:_MAX_NAMED_NODES]) + (", ..." if len(names) > _MAX_NAMED_NODES else "")
    return (
        f"{len(names)} added node{'s' * (len(names) > 1)} ran on the CPU instead of the GPU ({shown}). The numbers are "
        "correct, but this is a bug in onnx_ood: please report it with the model's operators and the output of "
        "onnx-ood doctor."
    )
