"""File of gates: the models to check, and the bounds their metrics must keep."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, get_args

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from onnx_ood._ids import kebab_id, snake_id
from onnx_ood._limits import MAX_INPUTS
from onnx_ood._spelling import did_you_mean
from onnx_ood.audits._common.settings import Names, refuse_words
from onnx_ood.audits._common.toml_models import NonEmptyStr, TomlModel
from onnx_ood.audits.check.checked_model import CheckedModel
from onnx_ood.audits.check.metrics import METRICS
from onnx_ood.audits.check.registry import Metric
from onnx_ood.audits.sensitivity.result import TrajectoryType
from onnx_ood.detectors import find_detector
from onnx_ood.exceptions import UsageError
from onnx_ood.graph import why_unknown_operator
from onnx_ood.inputs import shown
from onnx_ood.inputs.toml_files import Located, read_located
from onnx_ood.perturb import list_corruptions, synthetic_ood

FILE_NAMES = ("onnx-ood.toml", "pyproject.toml")
"""Names of files of gates in the working folder; the first that exists is used."""
_TABLE = ("tool", "onnx_ood")
_BOUNDS = {
    "number": ("min", "max", "equals", "baseline"),
    "text": ("equals", "baseline"),
    "names": ("forbid",),
}
"""Keys that bound a metric, by the type of its value."""
_TRAJECTORIES: tuple[str, ...] = get_args(TrajectoryType)


# A set of characters in a glob; the first character in it may be ].
_SIGNS = frozenset("*?[")
_CLOSED = re.compile(r"\[!?+.[^]]*\]")


def _known_metric(name: str) -> str:
    if name not in METRICS:
        raise ValueError(f"unknown metric {name!r}; {did_you_mean(name, METRICS)}")
    return name


def _model_name(name: str) -> str:
    if not name.strip():
        raise ValueError("a model needs a name; reports are sorted by it")
    return name


_ModelName = Annotated[str, AfterValidator(_model_name)]
_Finite = Annotated[float, Field(allow_inf_nan=False)]


class Gate(TomlModel):
    """Bounds on one metric."""

    metric: Annotated[str, AfterValidator(_known_metric)] = Field(
        description="Metric to bound.", json_schema_extra={"enum": list(METRICS)}
    )
    model: str | None = Field(default=None, description="Name of a model. Default: all models.")
    target: str | None = Field(
        default=None, description="Detector, probe or type of trajectories the metric is measured for."
    )
    set: str | None = Field(
        default=None, description="For auroc: an out-of-distribution set. Default: the mean over all sets."
    )
    min: _Finite | None = Field(default=None, description="Smallest value that passes.")
    max: _Finite | None = Field(default=None, description="Largest value that passes.")
    equals: _Finite | str | None = Field(default=None, description="The only value that passes.")
    forbid: Names = Field(
        default=(), description="For operators: names or globs; the gate fails if one matches."
    )
    baseline: bool = Field(
        default=False,
        description="True to fail if the metric is worse than in the stored baseline, beyond noise or a tolerance.",
    )
    tolerance: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = Field(
        default=None,
        description="Largest accepted change for the worse against the baseline, in the metric's unit. Default: what "
        "noise explains.",
    )
    min_inputs: Annotated[int, Field(ge=1, le=MAX_INPUTS)] | None = Field(
        default=None,
        description="Fewest inputs (or trajectories) for the gate to be evaluated. Default: the file's min-inputs.",
    )

    @field_validator("target")
    @classmethod
    def _snake_case(cls, target: str | None, info: ValidationInfo) -> str | None:
        metric = METRICS.get(info.data.get("metric", ""))
        return snake_id(target) if target is not None and metric and metric.target_is_id else target

    @property
    def title(self) -> str:
        """The metric with its target and set; the same gate has the same title in every run."""
        title = self.metric
        if self.target is not None:
            title += f" of {kebab_id(self.target) if METRICS[self.metric].target_is_id else self.target}"
        return title + (f" on {self.set}" if self.set is not None else "")

    def set_in(self, model: CheckedModel) -> str | None:
        """Name of the gate's out-of-distribution set in results; None for all sets.

        Args:
            model: The model, which may have a set of that name; other names are those of synthetic sets.
        """
        return self.set if self.set is None or self.set in model.ood else snake_id(self.set)


def _as_folder(value: str) -> str:
    return str(refuse_words(value, "leave it out to use no cache"))


class CheckFile(TomlModel):
    """File of `onnx-ood check`. Paths are relative to the file."""

    models: Annotated[dict[_ModelName, CheckedModel], Field(min_length=1)] = Field(
        description="Models by name."
    )
    gates: Annotated[list[Gate], Field(min_length=1)]
    baseline: NonEmptyStr | None = Field(
        default=None, description="Baseline file, written by onnx-ood check --update-baseline."
    )
    min_inputs: Annotated[int, Field(ge=1, le=MAX_INPUTS)] = Field(
        default=10, description="Fewest inputs (or trajectories) for a gate to be evaluated."
    )
    cache: Annotated[NonEmptyStr, AfterValidator(_as_folder)] | None = Field(
        default=None, description="Folder that keeps measured features between runs."
    )


@dataclass(frozen=True)
class CheckPlan:
    """A valid file of gates.

    Attributes:
        path: The file.
        config: Its content, with paths relative to the working folder.
        located: Its content as written, with line numbers.
    """

    path: Path
    config: CheckFile
    located: Located[CheckFile]

    @property
    def baseline(self) -> Path | None:
        """The baseline file."""
        return None if self.config.baseline is None else Path(self.config.baseline)

    def gate_line(self, number: int) -> int:
        """Line of a gate."""
        return self.located.line("gates", number)

    def model_line(self, name: str) -> int:
        """Line of a model."""
        return self.located.line("models", name)

    def applied(self) -> list[tuple[int, Gate, str]]:
        """All pairs of a gate, with its number, and the name of a model it applies to."""
        return [
            (number, gate, name)
            for number, gate in enumerate(self.config.gates)
            for name in ([gate.model] if gate.model is not None else self.config.models)
        ]


def find_check_file(path: Path | None) -> Path:
    """Find the file of gates.

    Args:
        path: A path, or None for `onnx-ood.toml` or `pyproject.toml` in the working folder.

    Returns:
        The path, relative to the working folder if the file is below it: reports of a repository name it so.

    Raises:
        UsageError: If no path is given and neither file exists.
    """
    if path is not None:
        here = Path.cwd()
        return path.relative_to(here) if path.is_relative_to(here) else path
    for name in FILE_NAMES:
        if Path(name).exists():
            return Path(name)
    raise UsageError(
        f"no {' or '.join(FILE_NAMES)} in this folder; name a file, or write one with onnx-ood check --init"
    )


def read_check_file(path: Path) -> CheckPlan:
    """Read a file of gates: the table [tool.onnx_ood] of a pyproject.toml, or any other TOML file as a whole.

    Args:
        path: A TOML file.

    Returns:
        The plan.

    Raises:
        UsageError: If the file cannot be read or is invalid; with line and key.
    """
    located = read_located(path, CheckFile, _TABLE if path.name == FILE_NAMES[1] else ())
    config = located.value

    def invalid(problem: str, *place: str | int) -> UsageError:
        key = ".".join(map(str, place))
        return UsageError(shown(f"{path.as_posix()}: line {located.line(*place)}: {key}: {problem}"))

    for name, model in config.models.items():
        try:
            find_detector(model.detector)
        except UsageError as error:
            raise invalid(str(error), "models", name, "detector") from None
    seen: set[tuple[str, str]] = set()
    for number, gate in enumerate(config.gates):
        if problem := _problem(gate, METRICS[gate.metric], config):
            key, text = problem
            raise invalid(text, "gates", number, *([key] if key else []))
        for name in [gate.model] if gate.model is not None else config.models:
            model = config.models[name]
            if missing := _missing(model, METRICS[gate.metric]):
                raise invalid(f"{gate.metric} needs models.{name}.{missing}; add it", "gates", number)
            if gate.set is not None and gate.set not in (sets := _sets(model)):
                advice = did_you_mean(gate.set, sets) if sets else f"add it to models.{name}.ood"
                raise invalid(f"models.{name} has no set {gate.set!r}; {advice}", "gates", number, "set")
            if (name, gate.title) in seen:
                raise invalid(
                    f"{gate.title} of {name} is bounded twice; put all bounds into one gate", "gates", number
                )
            seen.add((name, gate.title))
    for name in config.models:
        if not any(gate.model in {None, name} for gate in config.gates):
            raise invalid("no gate applies to it; add one, or remove the model", "models", name)
    folder = path.parent
    resolved = {
        "models": {name: model.relative_to(folder) for name, model in config.models.items()},
        "baseline": config.baseline and str(folder / config.baseline),
        "cache": config.cache and str(folder / config.cache),
    }
    return CheckPlan(path, config.model_copy(update=resolved), located)


def _missing(model: CheckedModel, metric: Metric) -> str | None:
    """Find the first key that a metric needs and a model lacks."""
    return next((key for key in metric.needs if not getattr(model, key.replace("-", "_"))), None)


def _sets(model: CheckedModel) -> list[str]:
    """Names of the sets a gate can name for a model."""
    synthetic = (*synthetic_ood(), *list_corruptions("demo")) if model.synthetic_ood else ()
    return [*model.ood, *map(kebab_id, synthetic)]


def _problem(gate: Gate, metric: Metric, config: CheckFile) -> tuple[str, str] | None:
    """Find the first problem of a gate: its key (empty for the whole gate) and a message."""
    if gate.model is not None and gate.model not in config.models:
        return "model", f"unknown model {gate.model!r}; {did_you_mean(gate.model, config.models)}"
    if (problem := _target_problem(gate, metric)) is not None:
        return "target", problem
    if gate.set is not None and not metric.takes_set:
        return "set", f"{metric.name} takes no set; remove it"
    allowed = _BOUNDS[metric.kind]
    given = [key for key in ("min", "max", "equals", "forbid", "baseline") if _is_given(gate, key)]
    if not given:
        return "", f"the gate has no bound; add one of {', '.join(allowed)}"
    for key in given:
        if key not in allowed:
            return key, f"{metric.name} cannot be bounded by {key}; use {' or '.join(allowed)}"
    if gate.min is not None and gate.max is not None and gate.min > gate.max:
        return "min", f"it is above max = {gate.max:g}, so nothing can pass"
    for key in ("min", "max", "equals", "tolerance"):
        bound = getattr(gate, key)
        if isinstance(bound, float) and metric.upper_limit is not None and bound > metric.upper_limit:
            return key, f"{metric.name} ranges from 0 to {metric.upper_limit:g}; percentages are not accepted"
        if isinstance(bound, float) and metric.lower_limit is not None and bound < metric.lower_limit:
            return key, f"{metric.name} is at least {metric.lower_limit:g}, found {bound:g}"
    if gate.equals is not None and isinstance(gate.equals, str) != (metric.kind == "text"):
        return "equals", f"{metric.name} is a {metric.kind}, found {gate.equals!r}"
    if isinstance(gate.equals, str) and metric.texts and gate.equals not in metric.texts:
        return "equals", f"{metric.name} is never {gate.equals!r}; {did_you_mean(gate.equals, metric.texts)}"
    if isinstance(gate.equals, float) and (gate.min is not None or gate.max is not None):
        return "equals", "it leaves nothing to min and max; remove them, or equals"
    if broken := next((one for one in gate.forbid if "[" in _CLOSED.sub("", one)), None):
        return "forbid", f"{broken!r} has a [ without ]; close it, or write [[] for the character"
    exact = (one for one in gate.forbid if not _SIGNS.intersection(one))
    if unknown := next(filter(None, map(why_unknown_operator, exact)), None):
        return "forbid", unknown
    if gate.tolerance is not None and (not gate.baseline or metric.kind != "number"):
        return "tolerance", "it needs baseline = true and a metric that is a number"
    if gate.baseline and config.baseline is None:
        return "baseline", 'the file names no baseline; add baseline = "onnx-ood-baseline.json" at its top'
    return None


def _is_given(gate: Gate, bound: str) -> bool:
    value = getattr(gate, bound)
    # A bound of 0 is given, although 0 == False.
    return value is not None and value is not False and value != ()


def _target_problem(gate: Gate, metric: Metric) -> str | None:
    if metric.target is None:
        return f"{metric.name} is a metric of the whole model; remove it" if gate.target is not None else None
    if gate.target is None:
        noun = "type of trajectories" if metric.target == "trajectories" else metric.target
        return f"{metric.name} needs a {noun}; add target"
    if metric.target == "detector":
        try:
            find_detector(gate.target)
        except UsageError as error:
            return str(error)
    if metric.target == "trajectories" and gate.target not in _TRAJECTORIES:
        wrong, known = kebab_id(gate.target), [kebab_id(one) for one in _TRAJECTORIES]
        return f"unknown trajectory type {wrong!r}; {did_you_mean(wrong, known)}"
    return None
