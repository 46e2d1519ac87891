"""Names of the columns of tables, which inputs and references must share: columns are matched by position."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import islice

from onnx_ood._printable import shown
from onnx_ood.evidence.preprocessing_choice import row_request
from onnx_ood.evidence.sets import SetSources
from onnx_ood.exceptions import InputError, UsageError
from onnx_ood.graph import FedInput
from onnx_ood.inputs import InputSource
from onnx_ood.inputs.rows.file_types import LISTS, open_rows

_MAX_OPENED = 100
_MAX_NAMED = 3
_FIRST = "the first table"


def table_columns(fed: FedInput, source: InputSource) -> tuple[str, ...]:
    """Return the names of the columns of the first table with names; empty without one.

    Args:
        fed: Model input that takes the inputs.
        source: The inputs; at most 100 tables are opened.
    """
    return next(_named_columns(fed, source), ())


def column_notes(
    fed: FedInput, source: InputSource, expected: Sequence[str] = (), of: str = "the references"
) -> list[str]:
    """Compare the names of the columns of inputs with those of other tables, and with each other.

    Args:
        fed: Model input that takes the inputs.
        source: The inputs; at most 100 tables are opened.
        expected: Names of the columns of the other tables, from `table_columns`; empty to compare inputs only with each
            other.
        of: The other tables, for the message.

    Returns:
        Notes on other names, which may be a mistake.

    Raises:
        UsageError: If the columns have the same names in another order.
    """
    tables = list(_named_columns(fed, source))
    notes, others = _compare(tables, expected, of) if expected else ([], tables)
    if others:
        notes += _compare(others, others[0], _FIRST)[0]
    return notes


def input_column_notes(
    fed: FedInput, source: InputSource, references: InputSource | None = None
) -> list[str]:
    """Compare the columns of references with each other, and those of inputs with them and with each other.

    Args:
        fed: Model input that takes the inputs.
        source: The inputs.
        references: The references; None without.

    Raises:
        UsageError: If the columns have the same names in another order.
    """
    if references is None:
        return column_notes(fed, source)
    return column_notes(fed, references) + column_notes(fed, source, table_columns(fed, references))


def set_column_notes(fed: FedInput, sources: SetSources, references: InputSource | None = None) -> list[str]:
    """Compare the columns of each set with each other, and with those of references or the in-distribution inputs.

    Args:
        fed: Model input that takes the inputs.
        sources: The sets.
        references: The references; None without.

    Raises:
        UsageError: If the columns have the same names in another order.
    """
    notes = input_column_notes(fed, sources.id, references)
    expected, of = () if references is None else table_columns(fed, references), "the references"
    if not expected:
        expected, of = table_columns(fed, sources.id), "the in-distribution inputs"
    for one in sources.ood.values():
        notes += column_notes(fed, one, expected, of)
    return list(dict.fromkeys(notes))


def _compare(
    tables: Sequence[Sequence[str]], expected: Sequence[str], of: str
) -> tuple[list[str], list[Sequence[str]]]:
    """Return a note on the first table with other names than expected, and all tables with other names."""
    known = [_key(name) for name in expected]
    notes: list[str] = []
    others = []
    for columns in tables:
        found = [_key(name) for name in columns]
        if len(found) != len(known):
            continue  # The model takes one number of columns: rows of another fail by name.
        differing = [at for at, name in enumerate(found) if name != known[at]]
        if not differing:
            continue
        listed = _listed(columns, expected, differing)
        if sorted(found) == sorted(known):
            raise UsageError(
                f"columns are in another order than those of {of}: {listed}; put them in the same order"
            )
        notes.append(
            f"Columns have other names than those of {of}, and are matched by their positions: {listed}."
        )
        others.append(columns)
    return notes[:1], others


def _named_columns(fed: FedInput, source: InputSource) -> Iterator[tuple[str, ...]]:
    """Yield the names of the columns of each table that can be read and has names."""
    request = row_request(fed)
    if len(request.shape) != 2:
        return
    for path in islice((path for path in source.paths if path.suffix.lower() in LISTS), _MAX_OPENED):
        try:
            with closing(open_rows(path, request)) as rows:
                columns: tuple[str, ...] = getattr(rows, "columns", ())
        except InputError:  # reported where the rows are read
            continue
        # Without a header, columns have numbers.
        if columns and not all(name.strip().isdecimal() for name in columns):
            yield columns


def _key(name: str) -> str:
    return name.strip().casefold()


def _listed(columns: Sequence[str], expected: Sequence[str], differing: list[int]) -> str:
    named = [f"column {at + 1} is {shown(columns[at])}, not {shown(expected[at])}" for at in differing]
    more = len(named) - _MAX_NAMED
    return f"{', '.join(named[:_MAX_NAMED])}{f' and {more} more' if more > 0 else ''}"
