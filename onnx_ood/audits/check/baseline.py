"""What a check measured once, kept to compare later models with, and what that was measured with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from onnx_ood.exceptions import InputError, UsageError
from onnx_ood.inputs import open_regular
from onnx_ood.inputs.preprocessing.presets import first_error
from onnx_ood.results.base import Part

_MAX_BYTES = 16 << 20


_End = Annotated[float, Field(allow_inf_nan=False)] | None


class BaselineMetric(Part):
    """A figure as it was."""

    # With NaN or infinity, which JSON doesn't have and Python reads all the same, every comparison would pass.
    value: Annotated[float, Field(allow_inf_nan=False)] | str
    low: _End = Field(description="Lower end of its 95% confidence interval; null where it has none.")
    high: _End
    inputs: int | None


class BaselineModel(Part):
    """A model's figures, and all that they depend on."""

    sha256: str = Field(description="Of the model file itself.")
    external_data: dict[str, str] = Field(
        default={},
        description="SHA-256 of each file of weights beside it, by its path from the model's folder.",
    )
    settings: dict[str, Any] = Field(description="What the check's file says of the model.")
    onnx_ood: str
    onnxruntime: str
    provider: str | None
    tf32: bool
    figures: dict[str, BaselineMetric] = Field(description="By the titles of gates.")

    def likeness(self, now: BaselineModel) -> str:
        """Whether its files are those of a model now, in words.

        Args:
            now: What a baseline would say now.
        """
        if self.sha256 != now.sha256:
            return "another model file"
        other = " with other weights beside it" if self.external_data != now.external_data else ""
        return f"the same model file{other}"

    def differences(self, now: BaselineModel) -> list[str]:
        """All but the model itself that is another now, in words.

        Args:
            now: What a baseline would say now.
        """
        found = [
            f"{key} {then}, now {later}"
            for key in ("onnx_ood", "onnxruntime", "provider", "tf32")
            # A run of what the file tells alone has no provider.
            if None not in (then := getattr(self, key), later := getattr(now, key)) and then != later
        ]
        keys = sorted(
            key
            for key in self.settings.keys() | now.settings.keys()
            if self.settings.get(key) != now.settings.get(key)
        )
        return found + ([f"other settings: {', '.join(keys)}"] if keys else [])


class Baseline(Part):
    """What `onnx-ood check --update-baseline` writes: the same bytes for the same figures."""

    format: Literal["onnx-ood/baseline/1"] = Field(default="onnx-ood/baseline/1", alias="schema")
    models: dict[str, BaselineModel]


def read_baseline(path: Path) -> Baseline | None:
    """Reads a baseline.

    Args:
        path: Its file.

    Returns:
        What it says; None if there is no such file.

    Raises:
        UsageError: If it is no baseline.
    """
    if not path.exists():
        return None
    again = "write it again with onnx-ood check --update-baseline"
    try:
        with open_regular(path, max_bytes=_MAX_BYTES) as file:
            return Baseline.model_validate(json.loads(file.read()))
    except InputError as error:
        raise UsageError(str(error)) from None
    except ValidationError as error:
        raise UsageError(f"{path.as_posix()}: is no baseline: {first_error(error)}; {again}") from None
    except (ValueError, RecursionError):
        raise UsageError(f"{path.as_posix()}: is no baseline: it is not JSON; {again}") from None
