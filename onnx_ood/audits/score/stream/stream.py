"""The stream of a run: a file of JSON lines that grows batch by batch, and from which a run is taken up again."""

from __future__ import annotations

import os
import tempfile
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, cast

from pydantic import ValidationError

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
from onnx_ood.exceptions import OutputError, UsageError
from onnx_ood.results.base import Number

# A run that nobody asked to stream is kept in memory up to this size, in a temporary file beyond it.
_IN_MEMORY = 1 << 24
# How every stream begins, so that no other file is taken for one that broke off in its first line.
_BEGINNING = b'{"record":"header","schema":"onnx-ood/score-stream/1"'


class Stream:
    """The records of one run in a file.

    A batch's records are written at once and its last one is marked: what follows the last mark was interrupted. So a
    run that goes on measures the same inputs together as one that was never interrupted, and no bit depends on it.

    Attributes:
        path: The file as errors name it; None for a temporary one.
        header: What the run is about; there once it has begun.
        calibration: What the first inputs told, or None if none was measured.
        scored: Scored inputs in the file.
        unscored: Other inputs in the file.
        done: Ids of the inputs that were in the file when it was opened.
    """

    header: Header

    def __init__(self, file: BinaryIO, path: Path | None = None, *, remember: bool = True) -> None:
        """Reads what is in a file.

        Args:
            file: Open for reading and, unless it is only to be read, for writing.
            path: Its name for errors; None for a temporary file.
            remember: False to leave `done` empty.

        Raises:
            OutputError: If it is no stream, or damaged.
        """
        self._file = file
        self.path = path
        self.calibration: Calibration | None = None
        self.scored = self.unscored = 0
        self._end = 0
        self._check_beginning()
        ids = self._read_ids()
        self.done = ProcessedIds(ids) if remember else ProcessedIds()
        # What is not remembered has to be read all the same.
        deque(ids, maxlen=0)

    @property
    def begun(self) -> bool:
        """Whether the file has a header."""
        return self._end > 0

    def begin(self, header: Header) -> None:
        """Writes the header into an empty file, or takes the run up where the file ends.

        Raises:
            UsageError: If the file is of a run with other settings.
            OutputError: If it can't be written.
        """
        if self.begun:
            _check_same(self.path, self.header, header)
        try:
            self._file.truncate(self._end)
        except OSError as error:
            raise _unwritable(self.path, error) from None
        if not self.begun:
            self.header = header
            self._write([header])

    def write(self, entries: Sequence[Entry], calibration: Calibration | None) -> None:
        """Adds a batch and hands it to the operating system, so that it outlives this process.

        Args:
            entries: What came of its inputs.
            calibration: What is known of the run by now.

        Raises:
            OutputError: If it can't be written.
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
        """What came of the inputs, in the order in which they were dealt with; interrupted batches left out."""
        batch: list[Entry] = []
        for record, _ in self._records():
            if isinstance(record, ScoredInput | UnscoredInput):
                batch.append(record)
                if record.batch_end:
                    yield from batch
                    batch = []

    def _check_beginning(self) -> None:
        """Refuses a file that isn't ours, before anything of it is cut off."""
        self._file.seek(0)
        first = self._file.readline()
        broken_off = _BEGINNING.startswith(first) or first.startswith(_BEGINNING)
        if not (first.startswith(_BEGINNING) if first.endswith(b"\n") else broken_off):
            raise OutputError(f"{self.path}: is no stream of onnx-ood score; choose another file")

    def _read_ids(self) -> Iterator[str]:
        """The ids of the inputs in the file; everything else that is in it is noted on the way."""
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
        """The records that are whole, each with the place where its line ends."""
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
                raise OutputError(f"{self.path}: line {number} is damaged; choose another file, or repair it")
            yield record, at

    def _write(self, records: Sequence[Header | Calibration | Entry]) -> None:
        lines = "".join(f"{record.model_dump_json(by_alias=True)}\n" for record in records)
        try:
            self._file.seek(0, os.SEEK_END)
            self._file.write(lines.encode())
            self._file.flush()
        except OSError as error:
            raise _unwritable(self.path, error) from None


@contextmanager
def open_stream(streaming: Streaming | None) -> Iterator[Stream]:
    """Opens the stream of a run.

    Args:
        streaming: Where it goes; None for a temporary one.

    Yields:
        The stream; it has begun if the file was there.

    Raises:
        UsageError: If the file exists and the run is not to be resumed.
        OutputError: If it can't be opened.
    """
    if streaming is None:
        spooled = cast(BinaryIO, tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY))  # noqa: SIM115
        with _closed(spooled, None):
            yield Stream(spooled)
        return
    path = streaming.path
    try:
        old = path.exists() and (streaming.resume or path.stat().st_size == 0)
        file = path.open("r+b" if old else "x+b")
    except FileExistsError:
        raise UsageError(
            f"{path}: exists already; go on with it by --resume, delete it, or choose another file"
        ) from None
    except OSError as error:
        raise _unwritable(path, error) from None
    try:
        with _closed(file, path):
            _lock(file, path)
            yield Stream(file, path)
    finally:
        # A mistake in the settings is found out before anything is written.
        if not old and path.stat().st_size == 0:
            path.unlink()


@contextmanager
def _closed(file: BinaryIO, path: Path | None) -> Iterator[None]:
    """Closes a file; where its disk is full that fails, too, and must not hide the reason that was given first."""
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
    """Keeps a second run from the file, as far as the system has locks; they go with the process."""
    try:
        import fcntl  # noqa: PLC0415 - Windows has none
    except ImportError:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UsageError(
            f"{path}: another run is writing it; wait for that one, or choose another file"
        ) from None
    except OSError:
        return  # A network's disk without locks.


@contextmanager
def read_stream(path: Path) -> Iterator[Stream]:
    """Opens the stream of a run that was written before, to be read.

    Args:
        path: The file.

    Raises:
        OutputError: If it can't be read, is no stream, or is damaged.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise OutputError(f"{path}: cannot be read: {error.strerror}") from None
    with file:
        stream = Stream(file, path, remember=False)
        if not stream.begun:
            raise OutputError(f"{path}: breaks off in its first line")
        yield stream


def _check_same(path: Path | None, old: Header, new: Header) -> None:
    """Refuses to go on with other settings: the numbers of one file have to be comparable."""
    differences = [
        f"{name} {_short(before)}, now {_short(now)}"
        for name, before, now in _facts(old, new)
        if before != now
    ]
    if differences:
        raise UsageError(
            f"{path}: can't be gone on with, because its settings were others: {'; '.join(differences)}; use those, or "
            "choose another file"
        )


def _facts(old: Header, new: Header) -> Iterator[tuple[str, object, object]]:
    # A model may have moved meanwhile; external data, which has no hash, at least has its size.
    yield "sha256 of the model", old.model.sha256, new.model.sha256
    yield "size of the model", old.model.size, new.model.size
    for name in type(old.nudges).model_fields:
        yield name, getattr(old.nudges, name), getattr(new.nudges, name)
    yield "site", old.site, new.site
    yield "feeds", old.feeds, new.feeds
    yield "preprocessing", old.preprocessing, new.preprocessing
    # A detector's own words may be improved on; what it computes may not change within a version.
    verdicts = [_judged_by(header.detector_summary) for header in (old, new)]
    yield "detectors", verdicts[0][0], verdicts[1][0]
    yield "references", verdicts[0][1], verdicts[1][1]
    yield "rate", verdicts[0][2], verdicts[1][2]
    probes = [[probe.name for probe in header.probes] for header in (old, new)]
    yield "probes", probes[0], probes[1]
    yield "provider", old.provider, new.provider
    yield "exact", old.exact, new.exact
    yield "tf32", old.tf32, new.tf32
    yield "batch size", old.batch_size, new.batch_size
    yield "limit", old.limit, new.limit
    yield "onnx_ood", old.environment.onnx_ood, new.environment.onnx_ood
    yield "onnxruntime", old.environment.onnxruntime, new.environment.onnxruntime


def _judged_by(verdict: DetectorSummary | None) -> tuple[list[str], str, Number]:
    if verdict is None:
        return [], "none", None
    names = [one.name for one in verdict.detectors]
    digest = f" ({verdict.references_sha256[:8]})" if verdict.references_sha256 else ""
    return names, f"{verdict.references} {verdict.reference}{digest}", verdict.fpr


def _short(value: object) -> str:
    if isinstance(value, list):
        text = ", ".join(map(str, value))
    elif isinstance(value, dict):
        text = ", ".join(f"{name}={one}" for name, one in value.items()) or "none"
    else:
        text = "none" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _unwritable(path: Path | None, error: OSError) -> OutputError:
    return OutputError(f"{path or 'a temporary file'}: cannot be written: {error.strerror}")
