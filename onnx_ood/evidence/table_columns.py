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


def table_columns(fed: FedInput, source: InputSource) -> tuple[str, ...]:
    """Return the names of the columns of the first table with names; empty without one.

    Args:
        fed: Model input that takes the inputs.
        source: The inputs; at most 100 tables are opened.
    """
    return next(_named_columns(fed, source), ())


def column_notes(
    fed: FedInput, source: InputSource, expected: Sequence[str], of: str = "the references"
) -> list[str]:
    """Compare the names of the columns of inputs with those of other tables.

    Args:
        fed: Model input that takes the inputs.
        source: The inputs; at most 100 tables are opened.
        expected: Names of the columns of the other tables, from `table_columns`.
        of: The other tables, for the message.

    Returns:
        A note on other names, which may be a mistake.

    Raises:
        UsageError: If the columns have the same names in another order.
    """
    if not expected:
        return []
    known = [_key(name) for name in expected]
    for columns in _named_columns(fed, source):
        found = [_key(name) for name in columns]
        if len(found) != len(known):
            continue  # The model takes one number of columns: rows of another fail by name.
        differing = [at for at, name in enumerate(found) if name != known[at]]
        if not differing:
            continue
        if sorted(found) == sorted(known):
            raise UsageError(
                f"columns are in another order than those of {of}: "
                f"{_listed(columns, expected, differing)}; put them in the same order"
            )
        return [
            f"Columns have other names than those of {of}, and are matched by their positions: "
            f"{_listed(columns, expected, differing)}."
        ]
    return []


def input_column_notes(
    fed: FedInput, source: InputSource, references: InputSource | None = None
) -> list[str]:
    """Compare the columns of inputs with those of references; without tables among these, with the first table.

    Args:
        fed: Model input that takes the inputs.
        source: The inputs.
        references: The references; None without.

    Raises:
        UsageError: If the columns have the same names in another order.
    """
    expected = () if references is None else table_columns(fed, references)
    if expected:
        return column_notes(fed, source, expected)
    return column_notes(fed, source, table_columns(fed, source), "the first table")


def set_column_notes(fed: FedInput, sources: SetSources, references: InputSource | None = None) -> list[str]:
    """Compare the columns of all sets with those of references, or else of the in-distribution inputs.

    Args:
        fed: Model input that takes the inputs.
        sources: The sets.
        references: The references; None without.

    Raises:
        UsageError: If the columns have the same names in another order.
    """
    expected, of = () if references is None else table_columns(fed, references), "the references"
    if not expected:
        expected, of = table_columns(fed, sources.id), "the in-distribution inputs"
    found = (column_notes(fed, one, expected, of) for one in (sources.id, *sources.ood.values()))
    return list(dict.fromkeys(note for notes in found for note in notes))


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
