"""Stored metrics of a check: later models are compared with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from onnx_ood._ids import kebab_id
from onnx_ood.audits.check.result import CheckedModelResult, CheckResult, GateResult
from onnx_ood.exceptions import InputError, NotEvaluatedError, UsageError
from onnx_ood.inputs import open_regular
from onnx_ood.inputs.schema_errors import first_error
from onnx_ood.results.base import Environment, Part

_MAX_BYTES = 16 << 20

# Every comparison with NaN or infinity would pass. JSON has neither, but Python's parser accepts both.
_Finite = Annotated[float, Field(allow_inf_nan=False)]


class BaselineMetric(Part):
    """Stored value of a metric."""

    value: _Finite | str
    low: _Finite | None = Field(
        description="Lower end of the value's 95% confidence interval; null without one."
    )
    high: _Finite | None
    inputs: int | None
    terms: tuple[str, ...] = Field(
        default=(), description="Names of the terms that the detector combines; empty without several."
    )


class BaselineModel(Part):
    """Stored metrics of a model, and everything they depend on."""

    sha256: str = Field(description="SHA-256 of the model file itself.")
    external_data: dict[str, str] = Field(
        default={},
        description="SHA-256 of each file of external weights, by its path relative to the model's folder.",
    )
    settings: dict[str, Any] = Field(
        description="The model's settings; paths are relative to the file of gates."
    )
    onnx_ood: str
    onnxruntime: str
    provider: str | None
    tf32: bool
    metrics: dict[str, BaselineMetric] = Field(description="Metrics by the titles of their gates.")

    def compare_files(self, now: BaselineModel) -> str:
        """Say in words which of the model's files changed.

        Args:
            now: The model as checked now.
        """
        if self.sha256 != now.sha256:
            return "a different model file"
        changed = " with different external weights" if self.external_data != now.external_data else ""
        return f"the same model file{changed}"

    def differences(self, now: BaselineModel) -> list[str]:
        """List in words everything that changed except the model itself.

        Args:
            now: The model as checked now.
        """
        found = [
            f"{key} {then}, now {later}"
            for key in ("onnx_ood", "onnxruntime", "provider", "tf32")
            # Without gates that run the model there is no provider.
            if None not in (then := getattr(self, key), later := getattr(now, key)) and then != later
        ]
        keys = sorted(
            key
            for key in self.settings.keys() | now.settings.keys()
            if self.settings.get(key) != now.settings.get(key)
        )
        return found + ([f"different settings: {', '.join(map(kebab_id, keys))}"] if keys else [])


class Baseline(Part):
    """File of `onnx-ood check --update-baseline`: the same metrics give the same bytes."""

    format: Literal["onnx-ood/baseline/2"] = Field(default="onnx-ood/baseline/2", alias="schema")
    models: dict[str, BaselineModel]


def to_baseline(result: CheckResult) -> Baseline:
    """Make a baseline of a check's result.

    Args:
        result: The result. Gates without enough data, and gates whose value is a list of names, are left out.

    Raises:
        NotEvaluatedError: If a gate ended in an error: its metric would be missing from the baseline.
    """
    if result.problems:
        raise NotEvaluatedError(f"no baseline of a check with errors; {result.problems[0]}")
    models = {}
    for one in sorted(result.models, key=lambda one: one.name):
        metrics = {
            gate.title: metric
            for gate in result.gates
            if gate.model == one.name and (metric := baseline_metric(gate)) is not None
        }
        described = describe(one, result.environment)
        if described is not None:
            models[one.name] = described.model_copy(update={"metrics": dict(sorted(metrics.items()))})
    return Baseline(models=models)


def baseline_metric(gate: GateResult) -> BaselineMetric | None:
    """Convert a gate's metric for storage; None without enough data and for name lists."""
    if gate.found is None or isinstance(gate.found, tuple):
        return None
    if gate.inputs is not None and gate.inputs < gate.min_inputs:
        return None
    return BaselineMetric(
        value=gate.found, low=gate.low, high=gate.high, inputs=gate.inputs, terms=gate.terms
    )


def describe(model: CheckedModelResult, environment: Environment) -> BaselineModel | None:
    """Everything a model's metrics depend on, without the metrics; None if the model cannot be read.

    Args:
        model: The model.
        environment: Versions of the run.
    """
    if model.model is None:
        return None
    return BaselineModel(
        sha256=model.model.sha256,
        external_data=model.external_data,
        settings=model.settings,
        onnx_ood=environment.onnx_ood,
        onnxruntime=environment.onnxruntime,
        provider=model.provider,
        tf32=model.tf32,
        metrics={},
    )


def read_baseline(path: Path) -> Baseline | None:
    """Read a baseline.

    Args:
        path: Its file.

    Returns:
        The baseline; None if the file does not exist.

    Raises:
        UsageError: If the file is not a baseline.
    """
    if not path.exists():
        return None
    advice = "write it again with onnx-ood check --update-baseline"
    try:
        with open_regular(path, max_bytes=_MAX_BYTES) as file:
            return Baseline.model_validate(json.loads(file.read()))
    except InputError as error:
        raise UsageError(str(error)) from None
    except ValidationError as error:
        raise UsageError(
            f"{path.as_posix()}: not a baseline: {first_error(error, Baseline)}; {advice}"
        ) from None
    except (ValueError, RecursionError):
        raise UsageError(f"{path.as_posix()}: not a baseline: not JSON; {advice}") from None
