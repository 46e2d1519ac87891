"""Settings of audits: each setting is defined once, with its type, bounds, help and command-line option.

A settings class takes its fields from the types below. From them follow the checks in Python and in TOML files, the
options of the command line with their help, the published schemas, and the command that repeats a run.
"""

from __future__ import annotations

import difflib
import functools
import inspect
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, ParamSpec, Self, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from onnx_ood._dialect import flag, named
from onnx_ood._ids import kebab_id, snake_ids
from onnx_ood.exceptions import UsageError

Panel = Literal["Input", "Detector", "Nudge", "Run", "Output"]


@dataclass(frozen=True)
class Option:
    """How a setting is given on the command line.

    Attributes:
        panel: Group in the help.
        metavar: Placeholder of the value; empty for that of its type.
        default_text: Text after "Default: " if the audit chooses the default; empty for the value itself.
        repeatable: True if the flag may be given several times.
        commas: True if one value lists names with commas between them.
    """

    panel: Panel
    metavar: str = ""
    default_text: str = ""
    repeatable: bool = False
    commas: bool = False


def _as_tuple(value: Any) -> Any:
    """A string is a list of one, never one of its letters."""
    if isinstance(value, str | Path):
        return (str(value),)
    return tuple(value) if isinstance(value, list) else value


def _as_path(value: Any) -> Any:
    """TOML has no paths."""
    return Path(value) if isinstance(value, str) and value else value


_Name = Annotated[str, Field(min_length=1)]
Names = Annotated[
    tuple[_Name, ...], BeforeValidator(_as_tuple, json_schema_input_type=_Name | tuple[_Name, ...])
]
"""One name or several."""

Ids = Annotated[Names, AfterValidator(snake_ids)]
"""Names of detectors or corruptions, in kebab-case or snake_case; kept in snake_case."""

Detectors = Annotated[
    Ids,
    Field(description="Detectors, comma-separated; the first one ranks."),
    Option("Detector", "NAMES", "auto if it applies", commas=True),
]
BundledReference = Annotated[
    bool,
    Field(description="Use the bundled photos as references when none are given (RGB models only)."),
    Option("Detector"),
]
Fpr = Annotated[
    float,
    Field(
        gt=0,
        lt=1,
        description="False-positive rate at which inputs that differ from the references are flagged.",
    ),
    Option("Detector"),
]
Cache = Annotated[
    Path | None,
    BeforeValidator(_as_path),
    Field(description="Folder that keeps measured features between runs."),
    Option("Run", "DIR", "no cache"),
]
Probes = Annotated[
    Names,
    Field(
        description="Tensors to watch: a name, a glob, op:Relu, op:Conv[-3], op:Relu[::4], outputs or all. Repeatable."
    ),
    Option("Nudge", "SELECTOR", "up to 12 activations over the depth", repeatable=True),
]
Noise = Annotated[
    Literal["gaussian", "uniform"], Field(description="Distribution of the noise."), Option("Nudge")
]
Space = Annotated[
    Literal["auto", "pixel", "tensor"],
    Field(
        description="Space the noise is added in: pixel (before normalisation) or tensor (as the model takes it); "
        "auto: pixel if the normalisation is known."
    ),
    Option("Nudge"),
]
Scale = Annotated[
    float,
    Field(
        gt=0, allow_inf_nan=False, description="Standard deviation of the noise; pixels range from 0 to 1."
    ),
    Option("Nudge"),
]
Copies = Annotated[
    int | None, Field(ge=1, description="Nudged copies of each input."), Option("Nudge", default_text="4")
]
Seed = Annotated[int, Field(ge=0, description="Seed of all random draws."), Option("Run")]
Preprocess = Annotated[
    str | None,
    Field(
        description="How pictures become tensors: imagenet, inception, unit, symmetric or bytes, with changes, as in "
        "'imagenet,BGR,NHWC,stretch,size=299'."
    ),
    Option("Input", "TEXT", "the model card's, or a guess"),
]
Site = Annotated[
    str | None,
    Field(description="Tensor to nudge: a model input or an inner tensor."),
    Option("Nudge", "NAME", "the first input of floats"),
]
Feeds = Annotated[
    Mapping[str, str],
    Field(
        description="Value of another model input, the same for all inputs: zeros, ones, a number or an .npy file. "
        "Repeatable. Inputs without a value take theirs from .npz files."
    ),
    Option("Input", "NAME=VALUE", "none", repeatable=True),
]
Provider = Annotated[Literal["auto", "cuda", "cpu"], Field(description="Execution provider."), Option("Run")]
BatchSize = Annotated[
    int | None,
    Field(ge=1, description="Inputs in one run of the model."),
    Option("Run", default_text="what memory allows"),
]
Limit = Annotated[
    int | None,
    Field(ge=1, description="Most inputs to take of a set: a random sample of its files."),
    Option("Input", default_text="all"),
]
Tf32 = Annotated[
    bool,
    Field(description="Allow TF32 on CUDA: faster, but its 10-bit mantissa swamps small nudges."),
    Option("Run"),
]
SyntheticOod = Annotated[
    bool,
    Field(description="Add synthetic out-of-distribution sets: noise, and altered in-distribution pictures."),
    Option("Input"),
]

S = TypeVar("S", bound="Settings")
P = ParamSpec("P")
R = TypeVar("R")


class Settings(BaseModel):
    """Base of the settings of audits: immutable, checked, compared by value."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=False)

    def __init__(self, **values: Any) -> None:
        """Checks all values.

        Raises:
            UsageError: If one is unknown, of a wrong type or out of range: the first of several.
        """
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise UsageError(self._explain(error)) from None

    @classmethod
    def _explain(cls, error: ValidationError) -> str:
        first = error.errors()[0]
        if not first["loc"]:
            return first["msg"].removeprefix("Value error, ")
        name = str(first["loc"][0])
        if first["type"] == "extra_forbidden":
            close = difflib.get_close_matches(name, cls.model_fields, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"choose from {', '.join(cls.model_fields)}"
            return f"unknown setting {name!r}; {hint}"
        message = first["msg"].removeprefix("Value error, ")
        return f"{named(name).rstrip('=')}: {message[0].lower()}{message[1:]}, found {first['input']!r}"

    def replaced(self, **values: Any) -> Self:
        """A copy with other values, checked like new settings."""
        return type(self)(**{**{name: getattr(self, name) for name in self.model_fields_set}, **values})

    def arguments(self) -> list[str]:
        """The command-line arguments that state everything that is not a default."""
        return [word for name in type(self).model_fields for word in self._argument(name)]

    def command(self, *words: str) -> str:
        """The command line that repeats a run, quoted for a POSIX shell.

        Args:
            words: The command and its positional arguments.
        """
        return shlex.join(["onnx-ood", *words, *self.arguments()])

    def _argument(self, name: str) -> Iterator[str]:
        field = type(self).model_fields[name]
        value, option = getattr(self, name), option_of(field)
        if option is None or value == field.get_default(call_default_factory=True):
            return
        if isinstance(value, bool):
            yield flag(name) if value else f"--no-{name.replace('_', '-')}"
        elif isinstance(value, Mapping):
            for key, one in value.items():
                yield from (flag(name), f"{key}={one}")
        elif option.commas:
            yield from (flag(name), ",".join(kebab_id(str(one)) for one in value))
        elif option.repeatable:
            for one in value:
                yield from (flag(name), str(one))
        else:
            # repr of a float is the shortest text that reads back as the same number.
            yield from (flag(name), repr(value) if isinstance(value, float) else str(value))


def option_of(field: FieldInfo) -> Option | None:
    """How a field is given on the command line; None if it can't be."""
    return next((one for one in field.metadata if isinstance(one, Option)), None)


def takes_settings(kind: type[S]) -> Callable[[Callable[P, R]], Callable[..., R]]:
    """Lets the fields of a settings class be given as keyword arguments, beside or in place of `settings`.

    Args:
        kind: The class; the decorated function has a parameter `settings` that is one or None.

    Returns:
        A decorator. `inspect.signature`, `help` and completion show all fields.
    """

    def decorate(function: Callable[P, R]) -> Callable[..., R]:
        own = inspect.signature(function)

        @functools.wraps(function)
        def call(*args: Any, **options: Any) -> R:
            values = {name: options.pop(name) for name in list(options) if name not in own.parameters}
            settings = own.bind_partial(*args, **options).arguments.get("settings")
            if settings is not None and not isinstance(settings, kind):
                raise UsageError(f"settings must be {kind.__name__}, found {type(settings).__name__}")
            if values:
                if "settings" in options or settings is None:
                    options["settings"] = kind(**values) if settings is None else settings.replaced(**values)
                else:
                    raise UsageError("give settings by keyword, or all of them as keyword arguments")
            return function(*args, **options)

        call.__signature__ = own.replace(  # type: ignore[attr-defined]
            parameters=[
                *own.parameters.values(),
                *(
                    inspect.Parameter(
                        name,
                        inspect.Parameter.KEYWORD_ONLY,
                        default=field.get_default(call_default_factory=True),
                        annotation=field.annotation,
                    )
                    for name, field in kind.model_fields.items()
                    if name not in own.parameters
                ),
            ]
        )
        return call

    return decorate
