"""Command-line options made from settings classes: names, bounds, help and defaults are stated there, once."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from annotated_types import Ge, Le
from pydantic.fields import FieldInfo

from onnx_ood._dialect import flag
from onnx_ood.audits._common.settings import Option, Settings, option_of

from .feeds import read_feeds
from .names import read_names

S = TypeVar("S", bound=Settings)


def takes_options(kind: type[S]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command one option per field of a settings class.

    Args:
        kind: The class. The decorated function has a keyword parameter `settings`, which is built from the options.
            Only what the user typed is set on it, so that a file can provide the rest.

    Returns:
        A decorator for functions that typer runs.
    """
    fields = {name: field for name, field in kind.model_fields.items() if option_of(field) is not None}

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command, eval_str=True)

        @functools.wraps(command)
        def run(ctx: typer.Context, **values: Any) -> None:
            typed = {}
            for name, field in fields.items():
                value = values.pop(name)
                source = ctx.get_parameter_source(name)
                if source is not None and source.name != "DEFAULT":
                    typed[name] = _value(value, option_of(field), field)
                if values.pop(_off(name), False):
                    typed[name] = False
            command(**values, settings=kind(**typed))

        mine = [parameter for name, parameter in own.parameters.items() if name != "settings"]
        made = [
            inspect.Parameter(
                name,
                inspect.Parameter.POSITIONAL_OR_KEYWORD,
                default=_default(field),
                annotation=Annotated[_kind(field), _option(name, field)],
            )
            for name, field in fields.items()
        ]
        made += [_off_switch(name, field) for name, field in fields.items() if _required(field).off]
        context = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
        parameters = [
            one.replace(kind=inspect.Parameter.POSITIONAL_OR_KEYWORD) for one in [context, *mine, *made]
        ]
        run.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {one.name: one.annotation for one in parameters} | {"return": None}
        del run.__wrapped__  # typer would read the annotations of the function inside
        return run

    return decorate


def _off(name: str) -> str:
    return f"no_{name}"


def _off_switch(name: str, field: FieldInfo) -> inspect.Parameter:
    """Make the flag that turns off what a setting names."""
    option = typer.Option(
        f"--no-{name.replace('_', '-')}",
        help=f"Turn {flag(name)} off.",
        rich_help_panel=_required(field).panel,
    )
    return inspect.Parameter(
        _off(name), inspect.Parameter.POSITIONAL_OR_KEYWORD, default=False, annotation=Annotated[bool, option]
    )


def _kind(field: FieldInfo) -> Any:
    option = _required(field)
    if option.off:
        return Path | None
    if option.commas:
        return str | None
    if option.repeatable:
        return list[str] | None
    return field.annotation


def _default(field: FieldInfo) -> Any:
    option = _required(field)
    return (
        None
        if option.commas or option.repeatable or option.off
        else field.get_default(call_default_factory=True)
    )


def _option(name: str, field: FieldInfo) -> Any:
    option = _required(field)
    default = _default(field)
    text = field.description or ""
    if option.default_text:
        text += f" Default: {option.default_text}."
    low = next((bound.ge for bound in field.metadata if isinstance(bound, Ge)), None)
    high = next((bound.le for bound in field.metadata if isinstance(bound, Le)), None)
    numeric = _placeholder(field) == "N"
    names = [flag(name)]
    if field.annotation is bool and default is True:
        names = [f"{flag(name)}/--no-{name.replace('_', '-')}"]
    return typer.Option(
        *names,
        help=text,
        metavar=option.metavar or _placeholder(field),
        rich_help_panel=option.panel,
        min=typing.cast("float | None", low) if numeric else None,
        max=typing.cast("float | None", high) if numeric else None,
        show_default=not isinstance(default, bool | None) and not option.default_text,
    )


def _placeholder(field: FieldInfo) -> str | None:
    """Name of the value in the help; None for choices and switches, which name themselves."""
    kinds = (field.annotation, *typing.get_args(field.annotation))
    return "N" if int in kinds else "NUMBER" if float in kinds else None


def _value(value: Any, option: Option | None, field: FieldInfo) -> Any:
    if option is not None and option.commas:
        numbers = any(isinstance(one, float) for one in field.default or ())
        return tuple(map(_number, read_names(value))) if numbers else read_names(value)
    if typing.get_origin(field.annotation) is typing.get_origin(typing.Mapping[str, str]):
        return read_feeds(value or ())
    return value


def _number(text: str) -> float | str:
    """Parse a number; other text is returned for the settings to reject."""
    try:
        return float(text)
    except ValueError:
        return text


def _required(field: FieldInfo) -> Option:
    option = option_of(field)
    assert option is not None
    return option
