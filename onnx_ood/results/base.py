"""Base types of all results: plain data with a schema, the source of all renderings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Sized
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import override

from onnx_ood import _rendering
from onnx_ood.exceptions import UsageError

# NaN has no place in JSON; a value that does not exist is null.
Number = float | None


# With the name of the class, a representation has at most 10 lines.
_REPR_LINES = 9

FROM_FILES = ".npz"
"""In place of a value that came with each input, from the same file."""


class Part(BaseModel):
    """Base of all parts of results."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, ser_json_inf_nan="null")


def check_lengths(expected: int, of: str, lists: Mapping[str, Sized | None]) -> None:
    """Refuse lists that do not match another one, entry by entry; for validators of results.

    Args:
        expected: Number of entries.
        of: Entries of the other list, for the message.
        lists: The lists by name; None is not a list.

    Raises:
        ValueError: If one has another number of entries.
    """
    for name, found in lists.items():
        if found is not None and len(found) != expected:
            raise ValueError(f"{name} has {len(found)} entries for {expected} {of}")


class FailureCount(NamedTuple):
    """Failed inputs of an audit.

    Attributes:
        failed: The failed inputs, or the first of them.
        number: Number of all failed inputs.
        total: Number of inputs, failed ones included; None if unknown.
        model: Name of the model in a result of several, or empty.
    """

    failed: Sequence[Failure]
    number: int
    total: int | None
    model: str = ""


class Result(Part):
    """Base of the results of audits, with their renderings."""

    @property
    def failure_counts(self) -> tuple[FailureCount, ...]:
        """Failed inputs, by model if there are several; empty for audits without inputs."""
        return ()

    def to_html(self, path: str | Path, **options: Any) -> None:
        """Write the result as one HTML page that opens offline.

        Args:
            path: Path of the file; an existing file is replaced.
            options: Options of the page of this audit, such as `thumbnails=False` for score.

        Raises:
            UsageError: If the file is one that the result names, such as the model or an input.
            OutputError: If the file cannot be written.
        """
        _rendering.write_page(path, self, **options)

    def to_picture(self, path: str | Path) -> None:
        """Draw the charts of the HTML page into one file, as `--picture` does.

        Args:
            path: Path of the file; .svg needs nothing, .png the package resvg-py. An existing file is replaced.

        Raises:
            UsageError: If the path ends otherwise or is a file that the result names, or the result has no charts.
            OutputError: If the file cannot be written.
        """
        _rendering.write_picture(path, self)

    def to_json(self, path: str | Path) -> None:
        """Write the result as JSON, as `--json` does; `onnx_ood.read_result` reads it.

        Args:
            path: Path of the file; an existing file is replaced.

        Raises:
            UsageError: If the file is one that the result names, such as the model or an input.
            OutputError: If the file cannot be written.
        """
        _rendering.write_json(path, self)

    def _repr_html_(self) -> str:
        return _rendering.notebook_html(self)

    @override
    def __repr__(self) -> str:
        lines = [line for line in _rendering.report_text(self).splitlines() if line.strip()]
        if len(lines) > _REPR_LINES:
            lines = [*lines[: _REPR_LINES - 1], "... to_html(path) shows all"]
        return "\n".join([type(self).__name__, *lines])

    @override
    def __str__(self) -> str:
        return _rendering.report_text(self)


def dataframe(rows: Iterable[Mapping[str, object]], kinds: Mapping[str, type] | None = None) -> Any:
    """Make a pandas DataFrame. Missing numbers are NaN, missing booleans are NA of the nullable dtype "boolean".

    Args:
        rows: Values by column, one mapping per row.
        kinds: Types of the values of columns: those of `bool` are nullable, and numbers are floats if none is known.

    Raises:
        UsageError: If pandas is not installed.
    """
    try:
        pandas = import_module("pandas")
    except ImportError:
        raise UsageError(
            "to_dataframe needs pandas, which is not installed; run: pip install 'onnx_ood[pandas]'"
        ) from None
    frame = pandas.DataFrame(list(rows))
    for name, kind in (kinds or {}).items():
        if name in frame and kind is bool:
            # A mask with NA selects nothing there: frame[frame.flagged] works if inputs failed.
            frame[name] = frame[name].astype("boolean")
        elif name in frame and kind is not str and frame[name].isna().all():
            frame[name] = frame[name].astype("float64")
    return frame


class NudgeSettings(Part):
    """Settings of the nudges."""

    recipe: Literal["lesswrong"] | None = Field(
        description="Published recipe, or null for the settings below."
    )
    noise: str = Field(description="Distribution of the noise.")
    space: Literal["pixel", "tensor", "feature"] = Field(
        description="Space that the noise is added in: before or after normalisation, or in spreads of features."
    )
    scale: float = Field(
        description="Standard deviation of the noise, in the units of the space; pixels are 0 to 1."
    )
    copies: int
    adaptive: bool = Field(description="True if inputs with a converged rank got fewer copies.")
    seed: int


class DetectorNudges(Part):
    """Nudges that a detector measures its features under; settings of nudges do not change them."""

    copies: int = Field(description="Nudged copies of each input.")
    space: Literal["pixel", "tensor", "feature"] = Field(
        description="Space that the noise is added in: before or after normalisation, or in spreads of features."
    )
    scale: Number = Field(
        description="Standard deviation of the noise, in the units of the space; pixels are 0 to 1. Null for the "
        "differences of Jacobians, whose steps depend on the input."
    )


class Environment(Part):
    """Versions of the software."""

    onnx_ood: str
    onnx: str
    onnxruntime: str
    numpy: str
    python: str
    platform: str


class Run(Part):
    """Runs of the model."""

    provider: Literal["cuda", "cpu"] = Field(description="Provider in use.")
    provider_note: str = Field(description="Reason for the CPU although CUDA was looked for, or empty.")
    placement: dict[str, int] = Field(description="Nodes, after fusion, by execution provider.")
    fallback_nodes: tuple[str, ...] = Field(
        description="Added nodes that ran on the CPU although the model ran on CUDA: a bug."
    )
    batch_size: int = Field(description="Inputs in one run of the model.")
    exact: bool = Field(description="True if the model ran without fusions.")
    tf32: bool = Field(description="True if TF32 was allowed on CUDA.")
    observer_effect: Number = Field(
        description="Largest relative change of a model output by watching, over up to 8 inputs; null if none was run, "
        "all outputs are NaN, or layers are not compared."
    )
    random_operators: tuple[str, ...] = Field(
        default=(),
        description="Operators that give other results at each run of the model on the same input; empty if two runs "
        "agreed.",
    )
    batching_note: str = Field(description="Reason why inputs were run one at a time, or empty.")


class Prediction(Part):
    """The model's answer for the clean input: its largest class score, or its label."""

    index: int | None = Field(description="Position among the class scores; null for a label without one.")
    label: str | None
    value: Number = Field(description="Class score at the index; null for a label without scores.")
    probability: Number = Field(
        description="Softmax at the index, or the value itself if the scores are probabilities."
    )
    own_label: bool = Field(default=False, description="True if the model itself returns the label.")

    def agrees(self, other: Prediction) -> bool:
        """Return whether two predictions are of one class: by labels if both models return these, else by index."""
        if (self.own_label and other.own_label) or self.index is None or other.index is None:
            return self.label is not None and self.label == other.label
        return self.index == other.index


class ModelAnswer(Part):
    """Outputs that predictions are read from."""

    outputs: tuple[str, ...] = Field(description="Class scores, then labels; empty without predictions.")
    kind: str = Field(
        description="Values of the class scores: `logits`, `log_probabilities`, `distribution`, `independent` "
        "(sigmoids) or `unknown`."
    )
    reason: str = Field(description="Reason why there are no predictions, or empty.")


class Failure(Part):
    """Input that could not be measured."""

    id: str
    reason: str
