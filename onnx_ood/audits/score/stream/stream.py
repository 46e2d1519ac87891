"""Stream of a run: a file of JSON lines, appended batch by batch, from which a run can be resumed."""

from __future__ import annotations

import os
import tempfile
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, cast

from pydantic import ValidationError

from onnx_ood._dialect import named
from onnx_ood._outputs import Files, check_outputs
from onnx_ood.audits.score.result import DetectorSummary
from onnx_ood.audits.score.settings import Streaming
from onnx_ood.audits.score.stream.processed_ids import ProcessedIds
from onnx_ood.audits.score.stream.records import (
    Calibration,
    Entry,
    Header,
    ScoredInput,
    StreamRecord,
    UnscoredInput,
)
from onnx_ood.exceptions import InputError, InputTypeError, OutputError, UsageError
from onnx_ood.inputs import open_regular
from onnx_ood.results.base import Number

# A stream without a file is kept in memory up to this size, in a temporary file beyond.
_IN_MEMORY = 1 << 24
# First bytes of every stream, to recognise other files, even if a stream was truncated in its first line.
_BEGINNING = b'{"record":"header","schema":"onnx-ood/score-stream/3"'

# Beginning of the lines of inputs, and end of the last one of a batch.
_INPUTS = (b'{"record":"scored",', b'{"record":"failed",')
_BATCH_END = b'"batch_end":true}\n'


class Stream:
    """The records of one run in a file.

    The records of a batch are written at once and the last one is marked; records after the last mark are from an
    interrupted batch. So a resumed run measures the same inputs together as an uninterrupted one, bit for bit.

    Attributes:
        path: The file as errors name it; None for a temporary one.
        header: Settings of the run; set once it has begun.
        calibration: Calibration by the first inputs; None before any measurement.
        scored: Number of scored inputs in the file.
        unscored: Number of other inputs in the file.
        done: Ids of the inputs in the file when it was opened.
    """

    header: Header

    def __init__(self, file: BinaryIO, path: Path | None = None, *, remember: bool = True) -> None:
        """Read the records in a file.

        Args:
            file: Open for reading and, unless it is only read, for writing.
            path: Its name for errors; None for a temporary file.
            remember: False to leave `done` empty.

        Raises:
            OutputError: If it is not a stream, or damaged.
        """
        self._file = file
        self.path = path
        self.calibration: Calibration | None = None
        self.scored = self.unscored = 0
        self._end = 0
        self._check_beginning()
        ids = self._read_ids()
        self.done = ProcessedIds(ids) if remember else ProcessedIds()
        # Ids that are not remembered still have to be read.
        deque(ids, maxlen=0)

    @property
    def begun(self) -> bool:
        """True if the file has a header."""
        return self._end > 0

    def check(self, header: Header) -> None:
        """Compare the header of the file with that of the run that is to resume it.

        Raises:
            UsageError: If the file is of a run with different settings.
        """
        _check_same(self.path, self.header, header)

    def begin(self, header: Header) -> None:
        """Write the header to an empty file, or prepare the file for resuming.

        Raises:
            UsageError: If the file is of a run with different settings.
            OutputError: If it cannot be written.
        """
        if self.begun:
            self.check(header)
        try:
            self._file.truncate(self._end)
        except OSError as error:
            raise _unwritable(self.path, error) from None
        if not self.begun:
            self.header = header
            self._write([header])

    def write(self, entries: Sequence[Entry], calibration: Calibration | None) -> None:
        """Append a batch and flush it, so that it outlives this process.

        Args:
            entries: Records of its inputs.
            calibration: Current calibration.

        Raises:
            OutputError: If it cannot be written.
        """
        if not entries:
            return
        records: list[Header | Calibration | Entry] = [*entries]
        records[-1] = entries[-1].model_copy(update={"batch_end": True})
        if calibration is not None and calibration != self.calibration:
            records.insert(0, calibration)
            self.calibration = calibration
        self._write(records)
        self._count(entries)

    def entries(self) -> Iterator[Entry]:
        """Yield the records of inputs in order, without interrupted batches."""
        batch: list[Entry] = []
        for record, _ in self._records():
            if isinstance(record, ScoredInput | UnscoredInput):
                batch.append(record)
                if record.batch_end:
                    yield from batch
                    batch = []

    def _check_beginning(self) -> None:
        """Refuse other files, before anything is truncated."""
        self._file.seek(0)
        first = self._file.readline()
        truncated = _BEGINNING.startswith(first) or first.startswith(_BEGINNING)
        if not (first.startswith(_BEGINNING) if first.endswith(b"\n") else truncated):
            raise OutputError(f"{self.path}: is not a stream of onnx-ood score; choose another file")

    def _read_ids(self) -> Iterator[str]:
        """Yield the ids of the inputs in the file; store everything else."""
        batch: list[Entry] = []
        calibration: Calibration | None = None
        for record, end in self._records():
            if isinstance(record, Header):
                self.header, self._end = record, end
            elif isinstance(record, Calibration):
                calibration = record
            else:
                batch.append(record)
                if record.batch_end:
                    self._end, self.calibration = end, calibration
                    self._count(batch)
                    yield from (entry.id for entry in batch)
                    batch = []

    def _count(self, entries: Sequence[Entry]) -> None:
        scored = sum(isinstance(entry, ScoredInput) for entry in entries)
        self.scored += scored
        self.unscored += len(entries) - scored

    def _records(self) -> Iterator[tuple[Header | Calibration | Entry, int]]:
        """Yield all complete records, each with the position of its end."""
        self._file.seek(0)
        at = 0
        for number, line in enumerate(self._file, start=1):
            if not line.endswith(b"\n"):
                return
            at += len(line)
            try:
                record = StreamRecord.model_validate_json(line).root
            except ValidationError:
                record = None
            if record is None or isinstance(record, Header) != (number == 1):
                raise OutputError(f"{self.path}: line {number} is damaged; choose another file or repair it")
            yield record, at

    def _write(self, records: Sequence[Header | Calibration | Entry]) -> None:
        lines = "".join(f"{record.model_dump_json(by_alias=True)}\n" for record in records)
        try:
            self._file.seek(0, os.SEEK_END)
            self._file.write(lines.encode())
            self._file.flush()
        except OSError as error:
            raise _unwritable(self.path, error) from None


def check_stream(streaming: Streaming | None, used: Files) -> None:
    """Check before a run that its stream is a file of its own.

    Args:
        streaming: File and mode; None for a temporary stream.
        used: Files that the run reads, with their roles.

    Raises:
        UsageError: If the stream is not a regular file, or is a file that the run reads.
        OutputError: If it cannot be written.
    """
    if not isinstance(streaming, Streaming):
        return  # `open_stream` names another type
    if streaming.path.exists() and not streaming.path.is_file() and not streaming.path.is_dir():
        raise UsageError(f"{streaming.path}: is not a regular file, and a stream needs one; name a file")
    check_outputs([("", streaming.path)], used)


@contextmanager
def open_stream(streaming: Streaming | None) -> Iterator[Stream]:
    """Open the stream of a run.

    Args:
        streaming: File and mode; None for a temporary stream.

    Yields:
        The stream; it has begun if the file existed.

    Raises:
        UsageError: If the file exists and is not to be resumed.
        OutputError: If it cannot be opened.
    """
    if streaming is None:
        spooled = cast(BinaryIO, tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY))  # noqa: SIM115
        with _closed(spooled, None):
            yield Stream(spooled)
        return
    if not isinstance(streaming, Streaming):
        raise InputTypeError(
            f"streaming: expected onnx_ood.Streaming, found {type(streaming).__name__}; give Streaming(path)"
        )
    path = streaming.path
    try:
        old = path.exists() and (streaming.resume or path.stat().st_size == 0)
        file = path.open("r+b" if old else "x+b")
    except FileExistsError:
        raise UsageError(
            f"{path}: already exists; resume it with {named('resume', True)}, delete it, or choose another file"
        ) from None
    except OSError as error:
        raise _unwritable(path, error) from None
    try:
        with _closed(file, path):
            _lock(file, path)
            yield Stream(file, path)
    finally:
        # Errors in the settings are found before anything is written. The file may have been deleted meanwhile.
        with suppress(OSError):
            if not old and path.stat().st_size == 0:
                path.unlink()


@contextmanager
def _closed(file: BinaryIO, path: Path | None) -> Iterator[None]:
    """Close a file; a failure to close, as on a full disk, does not hide an earlier error."""
    try:
        yield
    except BaseException:
        with suppress(OSError):
            file.close()
        raise
    try:
        file.close()
    except OSError as error:
        raise _unwritable(path, error) from None


def _lock(file: BinaryIO, path: Path) -> None:
    """Lock the file against a second run, if the system has locks; they end with the process."""
    try:
        import fcntl  # noqa: PLC0415 - Windows has none
    except ImportError:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UsageError(f"{path}: another run is writing it; wait for it or choose another file") from None
    except OSError:
        return  # a network file system without locks


@contextmanager
def read_stream(path: Path) -> Iterator[Stream]:
    """Open an existing stream for reading.

    Args:
        path: The file.

    Raises:
        OutputError: If it cannot be read, is not a stream, or is damaged.
    """
    try:
        file = open_regular(path)
    except InputError as error:
        raise OutputError(str(error)) from None
    with file:
        stream = Stream(file, path, remember=False)
        if not stream.begun:
            raise OutputError(f"{path}: is truncated in its first line")
        yield stream


def count_inputs(path: Path) -> int:
    """Count the inputs of complete batches in a stream without parsing it; 0 if it cannot be read.

    Args:
        path: The file.
    """
    done = batch = 0
    with suppress(OSError, InputError), open_regular(path) as file:
        if not file.readline().startswith(_BEGINNING):
            return 0
        for line in file:
            batch += line.startswith(_INPUTS)
            if line.endswith(_BATCH_END):
                done, batch = done + batch, 0
    return done


def _check_same(path: Path | None, old: Header, new: Header) -> None:
    """Refuse to resume with different settings: the numbers of one file must be comparable."""
    differences = [
        f"{name} {_short(before)}, now {_short(now)}"
        for name, before, now in _facts(old, new)
        if before != now
    ]
    if differences:
        raise UsageError(
            f"{path}: cannot be resumed: it was written with different settings: {'; '.join(differences)}; use "
            "those or choose another file"
        )


def _facts(old: Header, new: Header) -> Iterator[tuple[str, object, object]]:
    # The model file may have moved. External data is not hashed; its size is compared.
    yield "sha256 of the model", old.model.sha256, new.model.sha256
    yield "size of the model", old.model.size, new.model.size
    if old.nudges is None or new.nudges is None:
        before, now = (header.nudges.copies if header.nudges else 0 for header in (old, new))
        yield "copies", before, now
    else:
        for name in type(old.nudges).model_fields:
            if name != "seed":
                yield name, getattr(old.nudges, name), getattr(new.nudges, name)
    yield "seed", old.seed, new.seed
    yield "site", old.site, new.site
    yield "feeds", old.feeds, new.feeds
    yield "answer", list(old.answer), list(new.answer)
    yield "preprocessing", old.preprocessing, new.preprocessing
    # Descriptions of detectors may change; their computation may not, within a version.
    summaries = [_detector_facts(header.detector_summary) for header in (old, new)]
    yield "detectors", summaries[0][0], summaries[1][0]
    yield "references", summaries[0][1], summaries[1][1]
    yield "fpr", summaries[0][2], summaries[1][2]
    yield "fdr", summaries[0][3], summaries[1][3]
    probes = [[probe.name for probe in header.probes] for header in (old, new)]
    yield "probes", probes[0], probes[1]
    yield "provider", old.provider, new.provider
    yield "exact", old.exact, new.exact
    yield "tf32", old.tf32, new.tf32
    yield "batch size", old.batch_size, new.batch_size
    yield "limit", old.limit, new.limit
    yield "onnx_ood", old.environment.onnx_ood, new.environment.onnx_ood
    yield "onnxruntime", old.environment.onnxruntime, new.environment.onnxruntime


def _detector_facts(summary: DetectorSummary | None) -> tuple[list[str], str, Number, Number]:
    if summary is None:
        return [], "none", None, None
    names = [one.name for one in summary.detectors]
    digest = f" ({summary.references_sha256[:8]})" if summary.references_sha256 else ""
    return names, f"{summary.references} {summary.reference}{digest}", summary.fpr, summary.fdr


def _short(value: object) -> str:
    if isinstance(value, list):
        text = ", ".join(map(str, value))
    elif isinstance(value, dict):
        text = ", ".join(f"{name}={one}" for name, one in value.items())
    else:
        text = "" if value is None else str(value)
    return (text if len(text) <= 60 else f"{text[:59]}…") or "none"


def _unwritable(path: Path | None, error: OSError) -> OutputError:
    return OutputError(f"{path or 'a temporary file'}: cannot be written: {error.strerror}")
