"""Inputs of a streamed score run as a Parquet table; needs pyarrow."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

from onnx_ood._outputs import check_outputs
from onnx_ood._writing import replacing
from onnx_ood.audits.score.stream.summary import StreamSummary
from onnx_ood.audits.score.table import table_columns, table_row
from onnx_ood.exceptions import OutputError

_ROWS_IN_GROUP = 5000


def check_pyarrow() -> None:
    """Check before a long run that pyarrow is installed.

    Raises:
        OutputError: If pyarrow is not installed.
    """
    if find_spec("pyarrow") is None:
        raise OutputError("--parquet needs pyarrow; install it with: pip install 'onnx_ood[tables]'")


def write_parquet(path: Path, summary: StreamSummary) -> None:
    """Write all inputs of a run in order of arrival, one row per input.

    Columns are those of `ScoreResult.rows`. The metadata key `onnx_ood` holds the header of the stream; that of pandas
    makes it read booleans as `to_dataframe` has them.

    Args:
        path: Path of the file, written atomically.
        summary: Summary of the run.

    Raises:
        UsageError: If the path is the stream itself.
        OutputError: If the file cannot be written.
    """
    check_outputs([("", path)], [("the stream", summary.path)] if summary.path else [])
    import pyarrow  # noqa: PLC0415 - optional, and slow to import
    from pyarrow import parquet  # noqa: PLC0415

    verdict = summary.header.detector_summary
    columns = table_columns(
        (one.name for one in verdict.detectors) if verdict else (),
        (probe.name for probe in summary.probes),
        verdict.terms if verdict else (),
    )
    types = {str: pyarrow.string(), int: pyarrow.int64(), float: pyarrow.float64(), bool: pyarrow.bool_()}
    schema = pyarrow.schema(
        [(name, types[kind]) for name, kind in columns.items()],
        metadata={"onnx_ood": summary.header.model_dump_json(by_alias=True), "pandas": _pandas(columns)},
    )
    entries = summary.everything()
    with replacing(path) as new, parquet.ParquetWriter(new, schema) as writer:
        while rows := [table_row(entry, len(columns)) for entry in islice(entries, _ROWS_IN_GROUP)]:
            arrays = [
                pyarrow.array(values, field.type)
                for values, field in zip(zip(*rows, strict=True), schema, strict=True)
            ]
            writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))


def _pandas(columns: Mapping[str, type]) -> str:
    """Return metadata that make pandas read booleans with its nullable dtype; other columns have their own types."""
    booleans = [
        {"name": name, "field_name": name, "pandas_type": "bool", "numpy_type": "boolean", "metadata": None}
        for name, kind in columns.items()
        if kind is bool
    ]
    return json.dumps({"index_columns": [], "column_indexes": [], "columns": booleans})
