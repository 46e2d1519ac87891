"""Result classes of all audits, by name and by schema; see `onnx_ood._audits`."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

from pydantic import BaseModel, ValidationError

from onnx_ood._arguments import checked
from onnx_ood._audits import AUDITS
from onnx_ood._paths import as_path
from onnx_ood._validation import reason_of_error
from onnx_ood.exceptions import InputError, UsageError
from onnx_ood.inputs.files import read_file


def result_type(audit: str) -> type[BaseModel]:
    """Find the result class of an audit.

    >>> result_type("inspect").__name__
    'InspectResult'
    """
    kind: type[BaseModel] = getattr(
        import_module(f"onnx_ood.audits.{audit}.result"), f"{audit.title()}Result"
    )
    return kind


def schema_of(kind: type[BaseModel]) -> str:
    """Read the schema id of a result class.

    >>> schema_of(result_type("inspect"))
    'onnx-ood/inspect/1'
    """
    return str(kind.model_fields["format"].default)


def audit_of(result: BaseModel) -> str:
    """Name the audit that made a result."""
    return schema_of(type(result)).split("/")[1]


# No activation or square of one is larger; charts could not place such a number.
_MAX_NUMBER = 1e200
_MAX_DIGITS = 20


class _NotFiniteError(Exception):
    """A number of a JSON text is NaN or infinite."""


def _refuse(text: str) -> float:
    raise _NotFiniteError(text)


def _finite(text: str) -> float:
    value = float(text)
    return value if abs(value) < _MAX_NUMBER else _refuse(text)


def _whole(text: str) -> int:
    return int(text) if len(text) < _MAX_DIGITS else int(_refuse(text))


@checked
def read_result(path: str | Path) -> BaseModel:
    """Read a stored result.

    Args:
        path: JSON file that `--json` wrote.

    Returns:
        The result, of the class that its `schema` names.

    Raises:
        UsageError: If the file cannot be read, or holds no result of this version.
    """
    path = as_path(path, "path")
    try:
        text = read_file(path)
    except InputError as error:
        raise UsageError(str(error)) from None
    try:
        schema = str(
            json.loads(text, parse_constant=_refuse, parse_float=_finite, parse_int=_whole)["schema"]
        )
    except _NotFiniteError as error:
        raise UsageError(
            f"{path}: holds {error}, outside the range of results; an undefined number is null"
        ) from None
    except (ValueError, TypeError, KeyError, RecursionError):
        raise UsageError(f"{path}: not a result of onnx-ood; name a file that --json wrote") from None
    kinds = {schema_of(kind): kind for kind in map(result_type, AUDITS)}
    if schema not in kinds:
        raise UsageError(f"{path}: schema {schema!r} is not one of this version: {', '.join(kinds)}")
    try:
        return kinds[schema].model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UsageError(f"{path}: does not follow {schema} at {where}: {reason_of_error(first)}") from None
    except UsageError as error:  # Settings inside a result explain themselves, without the file.
        raise UsageError(f"{path}: does not follow {schema} at settings: {error}") from None
