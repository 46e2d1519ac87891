"""What every result says about the model it is about."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from onnx_ood.exceptions import ModelError
from onnx_ood.graph import Model


class ModelFacts(BaseModel):
    """Which model was audited."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    sha256: str = Field(description="Of the model file itself, external data not included.")
    size: int = Field(description="Bytes on disk, external data included.")
    parameters: int
    opsets: dict[str, int]
    producer: str


def model_facts(model: Model) -> ModelFacts:
    """Reads the facts of a loaded model; the file is read once more for its hash."""
    return ModelFacts(
        path=model.path.as_posix(),
        sha256=file_hash(model.path),
        size=model.size,
        parameters=model.parameters,
        opsets=model.opsets,
        producer=f"{model.proto.producer_name} {model.proto.producer_version}".strip(),
    )


def external_hashes(model: Model) -> dict[str, str]:
    """Reads all files of weights beside a model's, which takes seconds where they are large.

    Args:
        model: A loaded model.

    Returns:
        The SHA-256 of each by its path from the model's folder; empty for a model that holds its weights itself.

    Raises:
        ModelError: If one can't be read.
    """
    folder = model.path.parent
    return {path.relative_to(folder).as_posix(): file_hash(path) for path in sorted(model.data_files)}


def file_hash(path: Path) -> str:
    """The SHA-256 of one of a model's files, read in pieces.

    Raises:
        ModelError: If it can't be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror or error}") from None
