"""Types of arguments of public functions, checked against their annotations."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Collection, Iterable, Mapping
from numbers import Integral, Real
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, ParamSpec, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import ArrayLike

from onnx_ood._spelling import did_you_mean
from onnx_ood.exceptions import InputTypeError, UsageError

P = ParamSpec("P")
R = TypeVar("R")

_SCALARS: dict[Any, tuple[type, ...]] = {
    bool: (bool, np.bool_),
    int: (Integral,),
    float: (Real,),
    str: (str,),
    Path: (str, os.PathLike),
    NoneType: (NoneType,),
}
_NAMES: dict[Any, str] = {Path: "a path", NoneType: "None", Callable: "a function"}
# Types of the content of a file.
_CONTENTS = ("ModelProto", "bytes")
_LISTS = ("Iterable", "Collection", "Sequence")


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """Refuse arguments of other types than the annotations of a function; a decorator.

    Raises:
        InputTypeError: If an argument has another type; names it.
        UsageError: If an argument is unknown.

    >>> @checked
    ... def halve(count: int) -> int:
    ...     return count // 2
    >>> halve("4")
    Traceback (most recent call last):
    onnx_ood.exceptions.InputTypeError: count: expected int, found str
    """
    signature = inspect.signature(function)

    @functools.wraps(function)
    def call(*args: P.args, **options: P.kwargs) -> R:
        bound = bind(function, signature, args, options)
        return function(*bound.args, **bound.kwargs)

    return call


def bind(
    function: Callable[..., Any],
    signature: inspect.Signature,
    args: Collection[Any],
    options: Mapping[str, Any],
    *,
    known: Collection[str] = (),
) -> inspect.BoundArguments:
    """Bind arguments to the parameters of a function, and check their types.

    Args:
        function: The function, for its annotations and name.
        signature: Its parameters.
        args: Positional arguments.
        options: Keyword arguments.
        known: Further keyword arguments to suggest for unknown ones.

    Raises:
        InputTypeError: If an argument has another type than its annotation.
        UsageError: If a keyword argument is unknown.
        TypeError: If an argument is missing, or there are too many.
    """
    name = function.__qualname__.removesuffix(".__init__")
    parameters = signature.parameters
    names = [one for one in (*parameters, *known) if one != "self"]
    open_ended = any(one.kind is one.VAR_KEYWORD for one in parameters.values())
    unknown = next((one for one in options if one not in names), None)
    if unknown is not None and not open_ended:
        raise UsageError(f"{name}: unknown argument {unknown!r}; {did_you_mean(unknown, names)}")
    try:
        bound = signature.bind(*args, **options)
    except TypeError as error:
        advice = ""
        if str(error) == "too many positional arguments":
            keywords = [one.name for one in parameters.values() if one.kind is one.KEYWORD_ONLY]
            advice = f"; name them: {', '.join(f'{one}=' for one in keywords[:3])}" if keywords else ""
        raise TypeError(f"{name}() {error}{advice}") from None
    hints = _hints(inspect.unwrap(function))
    for parameter, value in bound.arguments.items():
        if parameter in hints and parameters[parameter].kind not in (
            inspect.Parameter.VAR_POSITIONAL,
            inspect.Parameter.VAR_KEYWORD,
        ):
            bound.arguments[parameter] = check_type(value, hints[parameter], parameter)
    return bound


def check_fields(instance: Any) -> None:
    """Refuse fields of a dataclass with other types than their annotations; for `__post_init__`.

    Raises:
        InputTypeError: If a field has another type; names it.
    """
    for name, hint in get_type_hints(type(instance)).items():
        check_type(getattr(instance, name), hint, name)


def check_type(value: Any, hint: Any, name: str) -> Any:
    """Check a value against an annotation.

    Args:
        value: Value of the argument.
        hint: Annotation. Types that cannot be checked at run time accept all values.
        name: Name of the argument.

    Returns:
        The value; a tuple in place of an iterator, which can be read once.

    Raises:
        InputTypeError: If the value has another type.
    """
    if isinstance(value, Iterable) and not isinstance(value, Collection) and _takes_items(hint):
        value = tuple(value)
    if not _fits(value, hint):
        choices = any(get_origin(arm) is Literal for arm in _arms(hint))
        found = repr(value) if choices and isinstance(value, str) else _found(value)
        content = type(value).__name__ in _CONTENTS and Path in _arms(hint)
        advice = "; save it to a file first" if content else ""
        raise InputTypeError(f"{name}: expected {_expected(hint)}, found {found}{advice}")
    return value


def check_unmasked(value: Any, name: str) -> None:
    """Refuse an array with masked values, which a plain array would show as the numbers below the mask.

    Args:
        value: Any value.
        name: Name of the argument.

    Raises:
        UsageError: If values are masked.
    """
    if np.ma.is_masked(value):
        count = int(np.ma.getmaskarray(value).sum())
        raise UsageError(
            f"{name}: found {count:,} masked {'value' if count == 1 else 'values'}, which no model takes; fill them "
            "(array.filled(VALUE)) or leave these inputs out"
        )


@functools.cache
def _hints(owner: Callable[..., Any]) -> dict[str, Any]:
    return get_type_hints(owner)


def _arms(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


_ARRAY = frozenset(_arms(ArrayLike))


def _takes_items(hint: Any) -> bool:
    return any(get_origin(arm) is Iterable for arm in _arms(hint))


def _fits(value: Any, hint: Any) -> bool:
    arms = _arms(hint)
    if len(arms) > 1:
        # What numpy cannot convert is refused where it is converted.
        return _ARRAY.issubset(arms) or any(_fits(value, arm) for arm in arms)
    origin, args = get_origin(hint) or hint, get_args(hint)
    if origin in _SCALARS:
        # True is an int to Python, and no count to anybody.
        is_flag = isinstance(value, bool | np.bool_) and origin is not bool
        return isinstance(value, _SCALARS[origin]) and not is_flag
    if origin is Literal:
        return any(value == one and type(value) is type(one) for one in args)
    if (
        not isinstance(origin, type)
        or origin.__module__ == "typing"
        or getattr(origin, "_is_protocol", False)
    ):
        return True
    if not isinstance(value, origin) or not args:
        return isinstance(value, origin)
    if isinstance(value, Mapping):
        return all(_fits(key, args[0]) for key in value) and (
            len(args) == 1 or all(_fits(one, args[1]) for one in value.values())
        )
    if isinstance(value, Iterable) and origin.__module__ == "collections.abc":
        return not isinstance(value, str | bytes) and all(_fits(one, args[0]) for one in value)
    return True


def _expected(hint: Any) -> str:
    arms = _arms(hint)
    if _ARRAY.issubset(arms):
        return "an array"
    if len(arms) > 1:
        *first, last = dict.fromkeys(_expected(arm) for arm in arms if arm is not str or Path not in arms)
        return f"{', '.join(first)} or {last}" if first else last
    origin, args = get_origin(hint) or hint, get_args(hint)
    if origin is Literal:
        return " or ".join(map(repr, args))
    name = _NAMES.get(origin, getattr(origin, "__name__", str(origin)))
    if name == "Mapping":
        return f"a mapping of {_expected(args[0])} to {_expected(args[1])}"
    return f"a list of {_expected(args[0])}" if name in _LISTS else name


def _found(value: Any) -> str:
    kind = type(value).__name__
    if isinstance(value, Mapping):
        items = {f"{type(key).__name__} to {type(one).__name__}" for key, one in value.items()}
    elif isinstance(value, list | tuple | set | frozenset):
        items = {type(one).__name__ for one in value}
    else:
        items = set()
    return f"{kind} of {' and '.join(sorted(items))}" if items else kind
