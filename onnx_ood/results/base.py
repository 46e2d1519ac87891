"""Base types of all results: plain data with a schema, the source of every rendering."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

# NaN has no place in JSON; a value that does not exist is null.
Number = float | None


FROM_FILES = ".npz"
"""In place of a value: it came with each input, from the same file."""


class Part(BaseModel):
    """What all parts of a result have in common."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, ser_json_inf_nan="null")


class NudgeSettings(Part):
    """How inputs were nudged."""

    recipe: Literal["lesswrong"] | None = Field(
        description="A published recipe, or null for the settings below."
    )
    noise: str = Field(description="Distribution of the noise.")
    space: Literal["pixel", "tensor"] = Field(
        description="Where the noise is added: before or after normalisation."
    )
    scale: float = Field(
        description="Standard deviation of the noise, in the units of the space; pixels are 0 to 1."
    )
    copies: int
    adaptive: bool = Field(description="True if inputs whose rank is settled get fewer copies.")
    seed: int


class Environment(Part):
    """What the numbers were made with."""

    onnx_ood: str
    onnx: str
    onnxruntime: str
    numpy: str
    python: str
    platform: str


class Run(Part):
    """How the model was run."""

    provider: Literal["cuda", "cpu"] = Field(description="Where the model really ran.")
    provider_note: str = Field(description="Why it is the CPU although CUDA was looked for, or empty.")
    placement: dict[str, int] = Field(description="Nodes, after fusion, by execution provider.")
    fallback_nodes: tuple[str, ...] = Field(
        description="Nodes that measuring added and that ran on the CPU although the model ran on CUDA: a bug."
    )
    batch_size: int = Field(description="Inputs in one run of the model.")
    exact: bool = Field(description="True if the model was run without fusions.")
    tf32: bool = Field(description="True if CUDA was let round products to TF32.")
    observer_effect: Number = Field(
        description="Largest relative change of a model output by watching, on up to 8 inputs; null if none was run."
    )
    batching_note: str = Field(description="Why inputs were run one at a time, or empty.")


class Prediction(Part):
    """The largest value of the model's own output for the clean input."""

    index: int
    label: str | None
    value: float = Field(description="The output's value there.")
    probability: Number = Field(
        description="Softmax there, or the value itself if the output is a distribution."
    )


class Failure(Part):
    """An input that was not scored."""

    id: str
    reason: str
