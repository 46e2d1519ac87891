"""Inputs of a streamed score run as a Parquet table; needs pyarrow."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

from onnx_ood._outputs import check_outputs
from onnx_ood._writing import replacing
from onnx_ood.audits.score.result import InputResult
from onnx_ood.audits.score.stream.summary import StreamSummary
from onnx_ood.exceptions import OutputError
from onnx_ood.results.base import Failure

_ROWS_IN_GROUP = 5000
_MEASURES = ("drop", "drop_error", "distortion", "flip_rate", "probe_deviations")


def check_pyarrow() -> None:
    """Check before a long run that pyarrow is installed.

    Raises:
        OutputError: If pyarrow is not installed.
    """
    if find_spec("pyarrow") is None:
        raise OutputError("--parquet needs pyarrow; install it with: pip install 'onnx_ood[tables]'")


def write_parquet(path: Path, summary: StreamSummary) -> None:
    """Write all inputs of a run in order of arrival, one row per input.

    Detector scores are in columns `score:NAME`; `drop`, `drop_error`, `distortion`, `flip_rate` and `deviation` at
    each probe are in columns such as `drop:PROBE`. The metadata key `onnx_ood` holds the header of the stream.

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

    names = [probe.name for probe in summary.probes]
    verdict = summary.header.detector_summary
    detectors = [one.name for one in verdict.detectors] if verdict else []
    number, text = pyarrow.float64(), pyarrow.string()
    schema = pyarrow.schema(
        [
            ("input", text),
            ("failed", text),
            ("copies", pyarrow.int64()),
            ("rank", pyarrow.int64()),
            *((f"score:{name}", number) for name in detectors),
            ("p_value", number),
            ("flagged", pyarrow.bool_()),
            ("deviation", number),
            ("rotation", text),
            ("published_score", number),
            ("prediction", pyarrow.int64()),
            ("label", text),
            ("probability", number),
            *((f"{measure}:{name}", number) for name in names for measure in _MEASURES),
        ],
        metadata={"onnx_ood": summary.header.model_dump_json(by_alias=True)},
    )
    entries = summary.everything()
    with replacing(path) as new, parquet.ParquetWriter(new, schema) as writer:
        while rows := [_row(entry, len(detectors), len(names)) for entry in islice(entries, _ROWS_IN_GROUP)]:
            columns = [
                pyarrow.array(values, field.type)
                for values, field in zip(zip(*rows, strict=True), schema, strict=True)
            ]
            writer.write_table(pyarrow.Table.from_arrays(columns, schema=schema))


def _row(entry: InputResult | Failure, detectors: int, probes: int) -> Sequence[Any]:
    if isinstance(entry, Failure):
        return [entry.id, entry.reason, *[None] * (10 + detectors + probes * len(_MEASURES))]
    guess = entry.prediction
    deviation = entry.probe_deviations or (None,) * probes
    measured = zip(entry.drop, entry.drop_error, entry.distortion, entry.flip_rate, deviation, strict=True)
    return [
        entry.id,
        None,
        entry.copies,
        entry.rank,
        *entry.scores,
        entry.p_value,
        entry.flagged,
        entry.deviation,
        entry.rotation,
        entry.published_score,
        guess.index if guess else None,
        guess.label if guess else None,
        guess.probability if guess else None,
        *(value for at_probe in measured for value in at_probe),
    ]
