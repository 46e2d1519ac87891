"""What every result says about the model it is about."""

from __future__ import annotations

import hashlib

from pydantic import BaseModel, ConfigDict, Field

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
    with model.path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return ModelFacts(
        path=model.path.as_posix(),
        sha256=digest,
        size=model.size,
        parameters=model.parameters,
        opsets=model.opsets,
        producer=f"{model.proto.producer_name} {model.proto.producer_version}".strip(),
    )
