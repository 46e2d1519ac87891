"""Settings of audits: each setting is defined once, with its type, bounds, help and command-line option.

A settings class takes its fields from the types below. From them follow the checks in Python and in TOML files, the
options of the command line with their help, the published schemas, and the command that repeats a run.
"""

from __future__ import annotations

import functools
import inspect
import operator
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import GenericAlias, UnionType
from typing import Annotated, Any, Literal, ParamSpec, Self, TypeVar, Union, get_args, get_origin

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from onnx_ood._arguments import bind
from onnx_ood._dialect import flag, named
from onnx_ood._ids import kebab_id, snake_ids
from onnx_ood._limits import MAX_BATCH_SIZE, MAX_COPIES, MAX_INPUTS
from onnx_ood._spelling import did_you_mean
from onnx_ood._validation import reason_of_error
from onnx_ood.exceptions import UsageError

# Words that settings of other types know.
_WORDS = frozenset({"none", "auto", "off", "on", "no", "yes", "true", "false"})

Panel = Literal["Input", "Detector", "Nudge", "Measurement", "Run", "Output"]


@dataclass(frozen=True)
class Option:
    """Command-line form of a setting.

    Attributes:
        panel: Group in the help.
        metavar: Placeholder of the value; empty for that of its type.
        default_text: Text after "Default: " if the audit chooses the default; empty for the value itself.
        repeatable: True if the flag may be given several times.
        commas: True if one value lists names with commas between them.
        off: True for another flag, --no-NAME, that sets the value to False.
    """

    panel: Panel
    metavar: str = ""
    default_text: str = ""
    repeatable: bool = False
    commas: bool = False
    off: bool = False


def _as_tuple(value: Any) -> Any:
    """Take a string as a list of one name."""
    if isinstance(value, str | Path):
        return (str(value),)
    return tuple(value) if isinstance(value, list) else value


def _split(value: Any) -> Any:
    """Take a string as names with commas between them, as on the command line."""
    if not isinstance(value, str):
        return value
    names = tuple(part.strip() for part in value.split(","))
    if not all(names):
        raise ValueError("an empty name; put one comma between two names, and none at the end")
    return names


def _as_file(value: Any) -> Any:
    """Take a string as the path of a file."""
    if value == "":
        raise ValueError("an empty path names no file; leave it out, or name one")
    return Path(value) if isinstance(value, str) else value


def refuse_words(folder: Any, advice: str) -> Any:
    """Refuse words in place of a folder, which would be made under that name.

    Args:
        folder: Path of the folder.
        advice: What to write instead.

    Raises:
        ValueError: If the path is a word such as none or auto.
    """
    if str(folder).lower() in _WORDS:
        raise ValueError(f"a folder would get this name; {advice}, or name another folder")
    return folder


def _as_path(value: Any) -> Any:
    """Take a string as a path, as TOML writes it, and None as no folder."""
    if value == "":
        raise ValueError("an empty path names no folder; leave it out, or name one")
    if value is None or isinstance(value, bool):
        return bool(value)
    path = Path(value) if isinstance(value, str) else value
    return refuse_words(path, f"{named('cache', False)} turns the cache off")


def _as_axis(value: Any) -> Any:
    """Take the number of an axis as text."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


_Name = Annotated[str, Field(min_length=1)]
Names = Annotated[
    tuple[_Name, ...], BeforeValidator(_as_tuple, json_schema_input_type=_Name | tuple[_Name, ...])
]
"""One name or several."""

Ids = Annotated[Names, BeforeValidator(_split), AfterValidator(snake_ids)]
"""Names of detectors or corruptions, comma-separated or a list, in kebab-case or snake_case; kept in snake_case."""

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
Fdr = Annotated[
    float | None,
    Field(
        gt=0,
        lt=1,
        description="False-discovery rate in place of --fpr: the expected share of false flags among all flags of the "
        "run, decided at its end.",
    ),
    Option("Detector"),
]
Cache = Annotated[
    Path | bool,
    BeforeValidator(_as_path),
    Field(description="Folder that keeps measured features between runs, or none."),
    Option("Run", "DIR", "the user's, see onnx-ood cache", off=True),
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
    int | None,
    Field(
        ge=0,
        le=MAX_COPIES,
        description="Nudged copies of each input, which show how far its activations rotate (cosine drop).",
    ),
    Option(
        "Nudge",
        default_text="0; 4 if another option on nudges is given or no detector applies (--adaptive: 16, --recipe: 1)",
    ),
]
Seed = Annotated[int, Field(ge=0, description="Seed of all random draws."), Option("Run")]
Preprocess = Annotated[
    str | None,
    Field(
        description="Preprocessing of pictures: imagenet, inception, unit, symmetric or bytes, with changes, as in "
        "'imagenet,BGR,NHWC,stretch,size=299'."
    ),
    Option("Input", "TEXT", "the model card's, or a guess"),
]
BatchAxis = Annotated[
    Annotated[str, Field(pattern="^(none|[0-9])$")] | None,
    BeforeValidator(_as_axis, json_schema_input_type=str | int | None),
    Field(
        description="Batch axis of the model input that takes the inputs, counted from 0; none: it has none.",
    ),
    Option("Input", "AXIS", "found by its name or by trial runs"),
]
Answer = Annotated[
    str | None,
    Field(description="Output of the model that is its answer: class scores or labels."),
    Option("Input", "NAME", "the one with class scores"),
]
Labels = Annotated[
    Path | None,
    BeforeValidator(_as_file),
    Field(description="Class names by index: a text file with one per line, or a .json file."),
    Option("Input", "FILE", "the card's or the model's own"),
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
    Field(ge=1, le=MAX_BATCH_SIZE, description="Inputs in one run of the model."),
    Option("Run", default_text="what memory allows"),
]
Limit = Annotated[
    int | None,
    Field(
        ge=1,
        le=MAX_INPUTS,
        description="Maximum number of inputs, or of inputs per set: a random sample, rows of files included.",
    ),
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
    """Base of the settings of audits: immutable, validated, compared by value."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=False)

    def __init__(self, **values: Any) -> None:
        """Validate all values.

        Raises:
            UsageError: If a setting is unknown, of a wrong type or out of range; names the first.
        """
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise UsageError(self._explain(error)) from None

    @classmethod
    def _explain(cls, error: ValidationError) -> str:
        first = error.errors()[0]
        message = reason_of_error(first)
        if not first["loc"]:
            return message
        name = str(first["loc"][0])
        if first["type"] == "extra_forbidden":
            return f"unknown setting {name!r}; {did_you_mean(name, cls.model_fields)}"
        value = first["input"]
        found = str(value) if isinstance(value, Path) else value
        return f"{named(name)}: {message[0].lower()}{message[1:]}, found {found!r}"

    def replaced(self, **values: Any) -> Self:
        """Return a copy with other values, validated like new settings."""
        return type(self)(**{**{name: getattr(self, name) for name in self.model_fields_set}, **values})

    @property
    def stored(self) -> Self:
        """Copy for results, without the cache: it changes no number."""
        return self.model_copy(update={"cache": True}) if "cache" in type(self).model_fields else self

    def arguments(self) -> list[str]:
        """Return the command-line arguments that state everything that is not a default."""
        return [word for name in type(self).model_fields for word in self._argument(name)]

    def command(self, *words: str) -> str:
        """Return the command line that repeats a run, quoted for a POSIX shell.

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
    """Return the command-line form of a field; None if the field is not an option."""
    return next((one for one in field.metadata if isinstance(one, Option)), None)


def check_site(site: str | None, feeds: Mapping[str, str]) -> None:
    """Refuse a site that has a feed.

    Args:
        site: Name of the site, or None.
        feeds: Values of model inputs by name.

    Raises:
        ValueError: If the site is among the feeds; for validators of settings.
    """
    if site is not None and site in feeds:
        raise ValueError(f"{site!r} is nudged, so it takes the inputs; leave out its {named('feeds')}")


def _plain(field: FieldInfo) -> Any:
    """Return the type of a field as a reader needs it: without checks, and names as one or a list of them."""
    if any(isinstance(one, BeforeValidator) and one.func is _as_tuple for one in field.metadata):
        return str | list[str]
    return _unwrapped(field.annotation)


def _unwrapped(hint: Any) -> Any:
    """Return a type without the metadata of `Annotated`, at any depth."""
    if get_origin(hint) is Annotated:
        return _unwrapped(get_args(hint)[0])
    if get_origin(hint) in (Union, UnionType):
        return functools.reduce(operator.or_, map(_unwrapped, get_args(hint)))
    if get_origin(hint) is tuple:
        return GenericAlias(tuple, tuple(map(_unwrapped, get_args(hint))))
    return hint


def takes_settings(kind: type[S]) -> Callable[[Callable[P, R]], Callable[..., R]]:
    """Let the fields of a settings class be given as keyword arguments of a function.

    Args:
        kind: The class. The decorated function has a parameter `settings`, an instance or None; keyword arguments
            override its values.

    Returns:
        A decorator. `inspect.signature`, `help` and completion show all fields.
    """

    def decorate(function: Callable[P, R]) -> Callable[..., R]:
        own = inspect.signature(function)
        fields = {
            name: inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=field.get_default(call_default_factory=True),
                annotation=_plain(field),
            )
            for name, field in kind.model_fields.items()
            if name not in own.parameters
        }
        signature = own.replace(parameters=[*own.parameters.values(), *fields.values()])

        @functools.wraps(function)
        def call(*args: Any, **options: Any) -> R:
            values = {name: options.pop(name) for name in fields if name in options}
            bound = bind(function, own, args, options, known=fields)
            settings = bound.arguments.get("settings")
            if values:
                bound.arguments["settings"] = (
                    kind(**values) if settings is None else settings.replaced(**values)
                )
            return function(*bound.args, **bound.kwargs)

        call.__doc__ = (
            f"{function.__doc__}\n    The keyword arguments after `settings` are fields of `onnx_ood.{kind.__name__}`, "
            "which describes them.\n    "
        )
        call.__signature__ = signature  # type: ignore[attr-defined]
        return call

    return decorate
