"""Stream files to batches of tensors: decoded beside the consumer, in order, in bounded memory."""

import math
import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from onnx_ood.exceptions import InputError, UsageError
from onnx_ood.inputs.assembly import Assembly, Batch, Piece
from onnx_ood.inputs.files import FailedInput, name_of, reason_in
from onnx_ood.inputs.preprocessing.spec import Preprocessing
from onnx_ood.inputs.read_ahead import one_ahead
from onnx_ood.inputs.rows.arrays import conversion_note
from onnx_ood.inputs.rows.bundle import Bundle, lacking, open_bundle
from onnx_ood.inputs.rows.file_types import is_picture
from onnx_ood.inputs.rows.protocol import RowRequest
from onnx_ood.inputs.rows.row_stream import RowFeed

MAX_AHEAD_BYTES = 1 << 29
"""Tensors decoded beyond the next batch take no more than this (or one piece, if that is larger)."""

_CHUNK_BYTES = 1 << 24  # rows are read in pieces of about this size
_MAX_COUNTED = 10_000  # files of rows whose headers are read for a progress bar
_MAX_NOTES = 20


class Reader:
    """Reads pictures, and rows of arrays, waveforms and tables, for one model input, again at each iteration.

    A picture's id is its path as given. Rows of a file are `path[0]`, `path[1]`, ...; a file that holds a
    single sample goes by its path. A row that can't be used fails as `path[k]`, and a file that breaks off
    in row k as one input `path[k:]`. `kinds` says which suffix is what; what has none of these is read as
    a picture, whatever it is called.

    Batches keep the order of the paths. A batch is handed out when it holds `batch` tensors, so that bad
    files don't change what is computed together; also when `batch` inputs have failed meanwhile, when the
    next row has another shape (inputs with free axes) or brings another value of an input that all inputs of
    a batch share, and when it exceeds 1 GiB.

    Memory: about `queue` + 3 * `batch` tensors, and one decoded picture a thread, whatever the number of
    inputs. Threads end when the iteration ends, however it ends; what they are decoding then is waited for,
    what they have not begun is dropped. (An iterator that a traceback keeps alive has not ended: close it.) A
    bug that raises in a thread is raised to the consumer.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        *,
        preprocessing: Preprocessing | None,
        input_name: str,
        input_shape: Sequence[int | str | None],
        dtype: npt.DTypeLike = np.float32,
        others: Sequence[RowRequest] | None = None,
        batch: int = 32,
        threads: int | None = None,
        queue: int | None = None,
        skip: Callable[[str], bool] | None = None,
    ) -> None:
        """Set up; nothing is read yet.

        Args:
            paths: Files, in the order wanted.
            preprocessing: What pictures go through; without it, every picture fails by name.
            input_name: Name of the model's input, by which an array is chosen in an .npz.
            input_shape: Shape of the model's input with its batch axis (axis 0, not looked at).
            dtype: Type of the model's input.
            others: Further inputs of the model that come with each row, from the same .npz under their names;
                None for a model of one input.
            batch: Tensors in a batch.
            threads: Decoding threads; by default one a processor, at most 8.
            queue: Inputs to prepare beyond the batch that is next; by default as many as a batch has.
            skip: Told an input's id, says whether it is not wanted. A picture is then not opened, and of rows of a file
                nothing but the header is read. Asked for each in order, and for files of rows as a whole, in a
                thread of the reader's.

        Raises:
            UsageError: If a number is smaller than 1, or the preprocessing does not suit the input.
        """
        self.paths = tuple(paths)
        self.preprocessing = preprocessing
        self.input_name = input_name
        self.input_shape = tuple(input_shape)
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self.others = None if others is None else tuple(others)
        self.batch = _at_least_one("batch", batch)
        self.threads = _at_least_one("threads", min(8, os.cpu_count() or 1) if threads is None else threads)
        self.queue = _at_least_one("queue", batch if queue is None else queue)
        self._skip = skip
        if preprocessing is not None:
            preprocessing.check_input(self.input_shape)
        self._notes: dict[str, None] = {}

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know about how the inputs read so far were taken; each said once."""
        return tuple(self._notes)

    def count(self) -> int | None:
        """How many inputs there are, from headers alone: for a progress bar.

        Files that cannot be read count as one (the failure they will be). None where finding out would
        take noticeable time, with more than 10,000 files of rows.
        """
        files = [path for path in self.paths if not is_picture(path)]
        if len(files) > _MAX_COUNTED:
            return None
        return len(self.paths) - len(files) + sum(map(self._rows_in, files))

    def __iter__(self) -> Generator[Batch]:
        # Batches are put together ahead as well: that copies megabytes, for which no model should wait.
        return one_ahead(self._batches, name="onnx-ood-batches")

    def _batches(self, stop: threading.Event) -> Generator[Batch]:
        """The batches; it ends at the next piece when it is told to stop."""
        decoders = ThreadPoolExecutor(self.threads, thread_name_prefix="onnx-ood-decode")
        # One thread for all files of rows: those of a compressed file come cheap only in their order.
        row_reader = ThreadPoolExecutor(1, thread_name_prefix="onnx-ood-rows")
        feed = RowFeed(self._open, self.dtype)
        assembly = Assembly(self.batch, self.input_shape, self.dtype, self.others or ())
        pending: deque[tuple[_Task, Future[Piece]]] = deque()
        try:
            tasks = self._tasks(feed)
            ahead, ahead_bytes = 0, 0
            upcoming = next(tasks, None)
            while True:
                while upcoming is not None and (
                    not pending
                    or (
                        ahead + upcoming.inputs <= self.queue
                        and ahead_bytes + upcoming.bytes <= MAX_AHEAD_BYTES
                    )
                ):
                    pool = row_reader if upcoming.of_rows else decoders
                    pending.append((upcoming, pool.submit(upcoming.run_unless, stop)))
                    ahead, ahead_bytes = ahead + upcoming.inputs, ahead_bytes + upcoming.bytes
                    upcoming = next(tasks, None)
                if not pending or stop.is_set():
                    break
                task, future = pending.popleft()
                piece = future.result()
                ahead, ahead_bytes = ahead - task.inputs, ahead_bytes - task.bytes
                del task, future  # they hold the piece, and this frame waits while the consumer computes
                yield from assembly.add(piece)
            yield from assembly.rest()
        finally:
            # Also on break, on an exception in the consumer, on Ctrl-C: no thread outlives the loop.
            decoders.shutdown(wait=True, cancel_futures=True)
            row_reader.shutdown(wait=True, cancel_futures=True)
            feed.close()

    def _tasks(self, feed: RowFeed) -> Iterator["_Task"]:
        """The work, in order. Headers are read here, so that their rows can be shared out."""
        for path in self.paths:
            if self._skip is not None and self._skip(name_of(path)):
                if not is_picture(path):
                    with suppress(InputError), closing(self._open(path)) as file:
                        self._note(file)
                continue
            if is_picture(path):
                size = math.prod(self.preprocessing.shape) * self.dtype.itemsize if self.preprocessing else 0
                yield _Task(lambda path=path: self._picture(path), inputs=1, bytes=size)  # type: ignore[misc]
                continue
            try:
                with closing(self._open(path)) as file:
                    self._note(file)
                    count = len(file.rows)
                    numbered = not file.rows.single
                    row_bytes = math.prod(file.rows.row_shape) * self.dtype.itemsize + file.row_bytes
            except InputError as error:
                piece = Piece(failed=[FailedInput(name_of(path), reason_in(error, name_of(path)))])
                yield _Task(lambda piece=piece: piece, inputs=1, bytes=0)  # type: ignore[misc]
                continue
            step = max(1, min(self.batch, self.queue, _CHUNK_BYTES // max(1, row_bytes)))
            for start, stop in self._wanted_rows(path, count, step) if numbered else [(0, 1)]:
                yield _Task(
                    lambda path=path, start=start, stop=stop: feed.take(path, start, stop),  # type: ignore[misc]
                    inputs=stop - start,
                    bytes=(stop - start) * row_bytes,
                    of_rows=True,
                )

    def _wanted_rows(self, path: Path, count: int, step: int) -> Iterator[tuple[int, int]]:
        """Rows that are not skipped, as (start, stop) of at most `step` each."""
        for first in range(0, count, step):
            last = min(first + step, count)
            if self._skip is None:
                yield first, last
                continue
            name = name_of(path)
            start = first
            for row in range(first, last):
                if self._skip(f"{name}[{row}]"):
                    if start < row:
                        yield start, row
                    start = row + 1
            if start < last:
                yield start, last

    def _open(self, path: Path) -> Bundle:
        # Where an .npz holds several inputs, what none of them is named like is none of them.
        wanted = RowRequest(self.input_name, self.input_shape, self.dtype, exact=bool(self.others))
        return open_bundle(path, wanted, self.others)

    def _rows_in(self, path: Path) -> int:
        try:
            with closing(self._open(path)) as file:
                return len(file.rows)
        except InputError:
            return 1

    def _note(self, file: Bundle) -> None:
        note = conversion_note(file.rows.dtype, self.dtype)
        for one in (*file.notes, *([note] if note else [])):
            self._add_note(one)

    def _add_note(self, note: str) -> None:
        if len(self._notes) < _MAX_NOTES:
            self._notes[note] = None

    def _picture(self, path: Path) -> Piece:
        name = name_of(path)
        if self.others:
            return Piece(failed=[FailedInput(name, lacking(self.others))])
        if self.preprocessing is None:
            reason = "is read as a picture, but no preprocessing is stated; use --preprocess"
            return Piece(failed=[FailedInput(name, reason)])
        try:
            tensor = _picture_to_type(self.preprocessing.tensor(path), self.dtype)
        except InputError as error:
            return Piece(failed=[FailedInput(name, reason_in(error, name))])
        return Piece([name], tensor[np.newaxis])


@dataclass(frozen=True)
class _Task:
    """A piece of work for a thread, and what its result will take."""

    run: Callable[[], Piece]
    inputs: int
    bytes: int
    of_rows: bool = False

    def run_unless(self, stop: threading.Event) -> Piece:
        """Does it, unless nobody waits for it any more."""
        return Piece() if stop.is_set() else self.run()


def _at_least_one(name: str, value: int) -> int:
    if value < 1:
        raise UsageError(f"Expected `{name}` to be 1 or more, but got {value}.")
    return value


def _picture_to_type(tensor: npt.NDArray[np.float32], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """A picture's tensor in the model's type; integers are rounded to (whole numbers come of `bytes`)."""
    if dtype.kind in "iu":
        tensor = np.rint(tensor)
        limits = np.iinfo(dtype)
        if tensor.min() < limits.min or tensor.max() > limits.max:
            raise InputError(
                f"comes out between {tensor.min():g} and {tensor.max():g}, which {dtype.name} cannot hold; "
                "state a preprocessing for it with --preprocess (bytes, for example)"
            )
    elif dtype.kind != "f":
        raise InputError(f"is a picture, but the model takes {dtype.name}")
    return tensor.astype(dtype, copy=False)
