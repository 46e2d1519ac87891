"""Messages of failed validations in the project's words."""

from __future__ import annotations

from typing import Any

from pydantic_core import ErrorDetails

_TEXTS = {
    "bool": "expected true or false",
    "dict": "expected a table",
    "finite_number": "expected a finite number",
    "float": "expected a number",
    "frozen_set": "expected a list",
    "greater_than": "expected more than {gt}",
    "greater_than_equal": "expected {ge} or more",
    "int": "expected a whole number",
    "int_from_float": "expected a whole number",
    "less_than": "expected less than {lt}",
    "less_than_equal": "expected {le} or less",
    "list": "expected a list",
    "literal_error": "expected {expected}",
    "missing": "missing",
    "model": "expected a table",
    "model_attributes": "expected a table",
    "path": "expected a path",
    "string": "expected text",
    "string_pattern_mismatch": "expected text of the form {pattern}",
    "string_too_short": "expected {min_length} or more characters of text",
    "too_long": "expected {max_length} or fewer items",
    "too_short": "expected {min_length} or more items",
    "tuple": "expected a list",
}


def reason_of_error(error: ErrorDetails) -> str:
    """Return what is wrong with a value, without its place and the value.

    Args:
        error: One of the errors of a validation, with its context.

    >>> from pydantic import TypeAdapter, ValidationError
    >>> try:
    ...     TypeAdapter(int).validate_python("x")
    ... except ValidationError as error:
    ...     print(reason_of_error(error.errors()[0]))
    expected a whole number
    """
    if error["type"] == "value_error":
        return error["msg"].removeprefix("Value error, ")
    kind = error["type"].removesuffix("_type").removesuffix("_parsing")
    context: dict[str, Any] = {
        name: int(value) if isinstance(value, float) and value.is_integer() else value
        for name, value in error.get("ctx", {}).items()
    }
    text = _TEXTS.get(kind)
    return error["msg"] if text is None else text.format(**context)
