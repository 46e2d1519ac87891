"""A check as a TOML file says it: models, and gates that they have to pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from onnx_ood.audits._common.toml_models import NonEmptyStr, NonEmptyStrs, TomlModel
from onnx_ood.audits.check.metrics import METRICS, Metric
from onnx_ood.audits.check.models import CheckedModel
from onnx_ood.detectors import find_detector
from onnx_ood.exceptions import UsageError
from onnx_ood.inputs import shown
from onnx_ood.inputs.toml_files import Located, read_located
from onnx_ood.perturb import list_corruptions, synthetic_ood

NAMES = ("onnx-ood.toml", "pyproject.toml")
"""Where a check is looked for, in this order."""
_TABLE = ("tool", "onnx_ood")
_KINDS = ("translations", "same-class", "different-classes", "random")


def _figure(name: str) -> str:
    if name not in METRICS:
        raise ValueError(f"there is no figure {name!r}: name one of {', '.join(METRICS)}")
    return name


def _name(name: str) -> str:
    if not name.strip():
        raise ValueError("a model has to have a name, which reports are sorted by")
    return name


_Name = Annotated[str, AfterValidator(_name)]


class Gate(TomlModel):
    """A bound on a figure."""

    figure: Annotated[str, AfterValidator(_figure)] = Field(
        description="What is bounded.", json_schema_extra={"enum": list(METRICS)}
    )
    model: str | None = Field(default=None, description="Name of a model. Default: each of them.")
    of: str | None = Field(
        default=None, description="The detector, probe or kind of trajectories that the figure is about."
    )
    set: str | None = Field(
        default=None, description="For auroc: an out-of-distribution set. Default: the mean over all."
    )
    at_least: Annotated[float, Field(allow_inf_nan=False)] | None = None
    at_most: Annotated[float, Field(allow_inf_nan=False)] | None = None
    equals: Annotated[float, Field(allow_inf_nan=False)] | str | None = None
    none_of: NonEmptyStrs = Field(
        default=[], description="For operators: names or globs, of which none may occur."
    )
    against: Literal["baseline"] | None = Field(
        default=None, description="Not worse than in the stored baseline, beyond noise or a tolerance."
    )
    tolerance: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = Field(
        default=None,
        description="How much worse than the baseline it may be, in the figure's unit. Default: what noise explains.",
    )
    least_inputs: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="From fewer inputs the gate is not evaluated. Default: the file's."
    )

    @property
    def title(self) -> str:
        """What it is about, in words; the same figure has the same title in every run."""
        title = self.figure + (f" of {self.of}" if self.of is not None else "")
        return title + (f" on {self.set}" if self.set is not None else "")


class CheckFile(TomlModel):
    """What `onnx-ood check` reads. Paths are relative to the file."""

    models: Annotated[dict[_Name, CheckedModel], Field(min_length=1)] = Field(description="Models by name.")
    gates: Annotated[list[Gate], Field(min_length=1)]
    baseline: NonEmptyStr | None = Field(
        default=None, description="The file that onnx-ood check --update-baseline writes."
    )
    least_inputs: Annotated[int, Field(ge=1)] = Field(
        default=10, description="From fewer inputs (or trajectories) no gate is evaluated."
    )
    cache: NonEmptyStr | None = Field(default=None, description="Folder in which what is measured is kept.")


@dataclass(frozen=True)
class CheckPlan:
    """A check that makes sense.

    Attributes:
        path: The file that says it.
        said: What it says, with paths as they are from where the program runs.
        placed: The same as it stands in the file.
    """

    path: Path
    config: CheckFile
    located: Located[CheckFile]

    @property
    def baseline(self) -> Path | None:
        """The baseline's file."""
        return None if self.config.baseline is None else Path(self.config.baseline)

    def gate_line(self, number: int) -> int:
        """Where a gate begins."""
        return self.located.line("gates", number)

    def model_line(self, name: str) -> int:
        """Where a model begins."""
        return self.located.line("models", name)

    def applied(self) -> list[tuple[int, Gate, str]]:
        """Each gate with its number and each model that it applies to, by name."""
        return [
            (number, gate, name)
            for number, gate in enumerate(self.config.gates)
            for name in ([gate.model] if gate.model is not None else self.config.models)
        ]


def find_check_file(named: Path | None) -> Path:
    """The file of a check, as it is called from the working folder if it is below: so reports of a repository name it.

    Args:
        named: The one that the user names, or None for that of the working folder.

    Raises:
        UsageError: If there is none.
    """
    if named is not None:
        here = Path.cwd()
        return named.relative_to(here) if named.is_relative_to(here) else named
    for name in NAMES:
        if Path(name).exists():
            return Path(name)
    raise UsageError(
        f"there is no {NAMES[0]} here, nor a {NAMES[1]}: name a file, or write one with onnx-ood check --init"
    )


def read_check_file(path: Path) -> CheckPlan:
    """Reads a check: the table [tool.onnx_ood] of a file called pyproject.toml, the whole of any other.

    Args:
        path: A TOML file.

    Returns:
        What it says.

    Raises:
        UsageError: If it can't be read, or says what it can't; with the line and the key.
    """
    located = read_located(path, CheckFile, _TABLE if path.name == NAMES[1] else ())
    config = located.value

    def fail(problem: str, *place: str | int) -> UsageError:
        key = ".".join(map(str, place))
        return UsageError(shown(f"{path.as_posix()}: line {located.line(*place)}: {key}: {problem}"))

    for name, model in config.models.items():
        try:
            find_detector(model.detector)
        except UsageError as error:
            raise fail(str(error), "models", name, "detector") from None
    seen: set[tuple[str, str]] = set()
    for number, gate in enumerate(config.gates):
        if problem := _problem(gate, METRICS[gate.figure], config):
            key, text = problem
            place = ("gates", number, key) if key else ("gates", number)
            raise fail(text, *place)
        for name in [gate.model] if gate.model is not None else config.models:
            if lacking := _missing(config.models[name], METRICS[gate.figure]):
                raise fail(f"{gate.figure} needs models.{name}.{lacking}; add it", "gates", number)
            if gate.set is not None and gate.set not in (sets := _sets(config.models[name])):
                known = f"name one of {', '.join(sets)}" if sets else "add it to ood"
                raise fail(f"there is no set {gate.set!r} of models.{name}: {known}", "gates", number, "set")
            if (name, gate.title) in seen:
                raise fail(
                    f"{gate.title} of {name} is bounded twice; put both bounds into one", "gates", number
                )
            seen.add((name, gate.title))
    for name in config.models:
        if not any(gate.model in {None, name} for gate in config.gates):
            raise fail("no gate is about it; add one, or leave the model out", "models", name)
    folder = path.parent
    here = {name: model.below(folder) for name, model in config.models.items()}
    places = {
        "models": here,
        "baseline": config.baseline and str(folder / config.baseline),
        "cache": config.cache and str(folder / config.cache),
    }
    return CheckPlan(path, config.model_copy(update=places), located)


def _missing(model: CheckedModel, figure: Metric) -> str | None:
    """The first key that a figure needs and a model lacks."""
    config: Mapping[str, object] = model.model_dump(by_alias=True)
    return next((key for key in figure.needs if not config[key]), None)


def _sets(model: CheckedModel) -> list[str]:
    """Names of the sets that a model may be measured on."""
    return [*model.ood, *((*synthetic_ood(), *list_corruptions("demo")) if model.synthetic_ood else ())]


def _problem(gate: Gate, figure: Metric, config: CheckFile) -> tuple[str, str] | None:
    """What is wrong with a gate: a key, and what to do; None for nothing."""
    if gate.model is not None and gate.model not in config.models:
        return "model", f"there is no model {gate.model!r}: name one of {', '.join(config.models)}"
    if (problem := _wrong_of(gate, figure)) is not None:
        return "of", problem
    if gate.set is not None and not figure.takes_set:
        return "set", f"{figure.name} is not about a set; leave it out"
    allowed = {
        "number": {"at-least", "at-most", "equals", "against"},
        "text": {"equals", "against"},
        "texts": {"none-of"},
    }[figure.kind]
    bounds = {
        "at-least": gate.at_least is not None,
        "at-most": gate.at_most is not None,
        "equals": gate.equals is not None,
        "none-of": bool(gate.none_of),
        "against": gate.against is not None,
    }
    if not any(bounds.values()):
        return "", f"it bounds nothing; add one of {', '.join(key for key in bounds if key in allowed)}"
    for key, given in bounds.items():
        if given and key not in allowed:
            return key, f"{figure.name} can't be bounded so; it takes {' or '.join(sorted(allowed))}"
    if gate.at_least is not None and gate.at_most is not None and gate.at_least > gate.at_most:
        return "at-least", f"it is above at-most = {gate.at_most:g}, so that nothing passes"
    for key in ("at-least", "at-most", "equals", "tolerance"):
        bound = getattr(gate, key.replace("-", "_"))
        if isinstance(bound, float) and figure.largest is not None and bound > figure.largest:
            return key, f"{figure.name} is a number from 0 to {figure.largest:g}; give no percentages"
    if gate.equals is not None and isinstance(gate.equals, str) != (figure.kind == "text"):
        return "equals", f"{figure.name} is a {figure.kind}, and this is none"
    if gate.tolerance is not None and (gate.against is None or figure.kind != "number"):
        return "tolerance", 'it goes with against = "baseline", of a number'
    if gate.against is not None and config.baseline is None:
        return "against", 'the file names no baseline: add baseline = "onnx-ood-baseline.json" at its top'
    return None


def _wrong_of(gate: Gate, figure: Metric) -> str | None:
    if figure.of is None:
        return f"{figure.name} is about the whole model; leave it out" if gate.of is not None else None
    if gate.of is None:
        return (
            f"{figure.name} is about a {figure.of.replace('trajectories', 'kind of trajectories')}; name it"
        )
    if figure.of == "detector":
        try:
            find_detector(gate.of)
        except UsageError as error:
            return str(error)
    if figure.of == "trajectories" and gate.of not in _KINDS:
        return f"there is no such kind of trajectories: name one of {', '.join(_KINDS)}"
    return None
