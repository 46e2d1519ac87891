"""Stream files to batches of tensors: decoded concurrently with the consumer, in order, in bounded memory."""

import itertools
import math
import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from contextvars import copy_context
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from onnx_ood._dialect import named
from onnx_ood.exceptions import InputError, UsageError
from onnx_ood.inputs.assembly import Assembly, Batch, Piece
from onnx_ood.inputs.files import FailedInput, name_of, reason_in
from onnx_ood.inputs.images import FILLED_IN
from onnx_ood.inputs.in_memory import MemoryInput, MemoryRows
from onnx_ood.inputs.preprocessing.presets import crop_note
from onnx_ood.inputs.preprocessing.spec import Preprocessing
from onnx_ood.inputs.read_ahead import one_ahead
from onnx_ood.inputs.row_feed import RowFeed
from onnx_ood.inputs.rows.arrays import conversion_note
from onnx_ood.inputs.rows.bundle import Bundle, lacking, open_bundle
from onnx_ood.inputs.rows.picture_arrays import GREY_NOTE, tensor_of
from onnx_ood.inputs.rows.protocol import RowRequest
from onnx_ood.inputs.rows.zips import ZipRows
from onnx_ood.inputs.source import MAX_COUNTED, FileRow, InputSource, Item, is_picture
from onnx_ood.inputs.value_range import ValueRange

MAX_AHEAD_BYTES = 1 << 29
"""Tensors decoded beyond the next batch take no more than this (or one piece, if that is larger)."""

_CHUNK_BYTES = 1 << 24  # rows are read in pieces of about this size
_MAX_NOTES = 20


class Reader:
    """Stream inputs for one input of a model, again at each iteration.

    A picture's id is its path as given. Rows of a file are `path[0]`, `path[1]`, ...; a file that holds a single sample
    goes by its path. An unusable row fails as `path[k]`, and a file that breaks off in row k as one input `path[k:]`.
    `file_types` lists the suffixes; a file with another suffix is read as a picture. Pictures in memory get the same
    tensors as the same pictures in files.

    Batches keep the order of the inputs. A batch is handed out when it holds `batch` tensors, so that broken files
    don't change which inputs share a batch; also when `batch` inputs have failed meanwhile, when the next row has
    another shape (inputs with free axes) or another value of an input that all inputs of a batch share, and when it
    exceeds 1 GiB.

    Memory: about `queue` + 3 * `batch` tensors, and one decoded picture per thread, whatever the number of inputs.
    Threads end with the iteration, however it ends: decoding that has begun is waited for, the rest is dropped. (An
    iterator kept alive by a traceback has not ended: close it.) A bug that raises in a thread is raised to the
    consumer.
    """

    def __init__(
        self,
        source: InputSource | Sequence[Item],
        *,
        preprocessing: Preprocessing | None,
        input_name: str,
        input_shape: Sequence[int | str | None],
        dtype: npt.DTypeLike = np.float32,
        batch_axis: int = 0,
        others: Sequence[RowRequest] | None = None,
        batch: int = 32,
        threads: int | None = None,
        queue: int | None = None,
        skip: Callable[[str], bool] | None = None,
        tokenizer: Path | None = None,
        limit: int | None = None,
        seed: int = 0,
    ) -> None:
        """Check inputs in memory. No file is opened yet, except to count rows for a sample.

        Args:
            source: The inputs, from `open_inputs`, or its items.
            preprocessing: Preprocessing of pictures; without it, every picture fails by name.
            input_name: Name of the model's input. It selects the array of an .npz.
            input_shape: Shape of the model's input with its batch axis (axis 0, any size).
            dtype: Type of the model's input.
            batch_axis: The axis of stored arrays along which inputs lie; `input_shape` has it first.
            others: Further inputs of the model whose values come with each row, from the same .npz or mapping under
                their names; None for a model of one input.
            batch: Tensors per batch.
            threads: Decoding threads; by default one per processor, at most 8.
            queue: Inputs to prepare beyond the next batch; by default `batch`.
            skip: Called with an input's id; True skips the input. A skipped picture is not opened, and of skipped rows
                nothing but the header is read. Called for each input in order, and for files of rows as a whole, in a
                thread of the reader's.
            tokenizer: The tokenizer.json for .txt files; None if the model has none.
            limit: Number of inputs to draw at random, rows of files among them; None for all.
            seed: Seed of the sample.

        Raises:
            UsageError: If a number is smaller than 1, or the preprocessing or an array in memory does not fit the
                model's input.
        """
        self.preprocessing = preprocessing
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self.input_shape = tuple(input_shape)
        self.others = None if others is None else tuple(others)
        # Where an .npz holds several inputs, no array of another name is taken for one of them.
        self._request = RowRequest(
            input_name,
            self.input_shape,
            self.dtype,
            exact=bool(self.others),
            stored_axis=batch_axis,
            tokenizer=tokenizer,
        )
        all_of = source if isinstance(source, InputSource) else InputSource(tuple(source))
        self.items = all_of.sample(limit, seed, self._rows_in).items
        self.batch = _at_least_one("batch", batch)
        self.threads = _at_least_one("threads", min(8, os.cpu_count() or 1) if threads is None else threads)
        self.queue = _at_least_one("queue", batch if queue is None else queue)
        self._skip = skip
        if preprocessing is not None:
            preprocessing.check_input(self.input_shape)
        in_memory = [one for one in self.items if isinstance(one, MemoryInput)]
        self._memory = MemoryRows(
            [one for one in in_memory if one.is_mapping or not one.is_picture(self._request)],
            self._request,
            self.others,
        )
        self._notes: dict[str, None] = dict.fromkeys([*all_of.notes, *self._memory.notes])
        self.columns: tuple[str, ...] = ()
        self._range = ValueRange(preprocessing)
        grey = any(one.is_grey_array(self._request) for one in in_memory)
        if preprocessing is not None and preprocessing.channels != "L" and grey:
            self._add_note(GREY_NOTE)

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes for the user on the inputs read so far, each once, the most important first."""
        return (*self.warnings, *self._notes)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Those of the notes by which all numbers may be wrong."""
        return self._range.notes

    def count(self) -> int | None:
        """Count the inputs from file headers, for a progress bar.

        Files that cannot be read count as one (the failure they will be). None where finding out would
        take noticeable time, with more than 10,000 files of rows.
        """
        files = [one for one in self.items if isinstance(one, Path) and not is_picture(one, self._request)]
        if len(files) > MAX_COUNTED:
            return None
        counts = map(self._rows_in, files)
        return len(self.items) - len(files) + sum(1 if rows is None else rows for rows in counts)

    def __iter__(self) -> Generator[Batch]:
        # Batches are put together ahead as well: that copies megabytes, for which no model should wait.
        return one_ahead(self._batches, name="onnx-ood-batches")

    def _batches(self, stop: threading.Event) -> Generator[Batch]:
        """Yield the batches; ends at the next piece after `stop` is set."""
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
                    pending.append((upcoming, pool.submit(copy_context().run, upcoming.run_unless, stop)))
                    ahead, ahead_bytes = ahead + upcoming.inputs, ahead_bytes + upcoming.bytes
                    upcoming = next(tasks, None)
                if not pending or stop.is_set():
                    break
                task, future = pending.popleft()
                piece = future.result()
                if piece.note:
                    self._add_note(piece.note)
                ahead, ahead_bytes = ahead - task.inputs, ahead_bytes - task.bytes
                if task.by_value and piece.tensors is not None:
                    self._range.add(piece.tensors)
                del task, future  # they hold the piece, and this frame waits while the consumer computes
                yield from assembly.add(piece)
            yield from assembly.rest()
        finally:
            # Also on break, on an exception in the consumer, on Ctrl-C: no thread outlives the loop.
            decoders.shutdown(wait=True, cancel_futures=True)
            row_reader.shutdown(wait=True, cancel_futures=True)
            feed.close()

    def _tasks(self, feed: RowFeed) -> Iterator["_Task"]:
        """Yield the tasks in order. Headers are read here, so that rows can be divided among threads."""
        for _, alike in itertools.groupby(self.items, self._group):
            items = list(alike)
            if isinstance(items[0], FileRow):
                rows = [item.row for item in items if isinstance(item, FileRow)]
                yield from self._row_tasks(feed, items[0].path, rows)
                continue
            if isinstance(items[0], MemoryInput) and not items[0].is_picture(self._request):
                yield from self._memory_tasks([item for item in items if isinstance(item, MemoryInput)])
                continue
            for item in items:
                assert not isinstance(item, FileRow)
                if isinstance(item, Path) and not is_picture(item, self._request):
                    yield from self._row_tasks(feed, item, None)
                elif not self._skips(_id(item)):
                    size = (
                        math.prod(self.preprocessing.shape) * self.dtype.itemsize if self.preprocessing else 0
                    )
                    yield _Task(lambda item=item: self._picture(item), inputs=1, bytes=size)  # type: ignore[misc]

    def _group(self, item: Item) -> object:
        """Return a key that is equal for consecutive items that are read together."""
        if isinstance(item, FileRow):
            return item.path
        if isinstance(item, MemoryInput) and not item.is_picture(self._request):
            return self._memory.signature(item)
        return None

    def _row_tasks(self, feed: RowFeed, path: Path, rows: Sequence[int] | None) -> Iterator["_Task"]:
        """Work for a file of rows: for some of them, or None for all that are not skipped."""
        name = name_of(path)
        if rows is None and self._skips(name):
            with suppress(InputError), closing(self._open(path)) as file:
                self._note(file)
            return
        try:
            with closing(self._open(path)) as file:
                self._note(file)
                count = len(file.rows)
                single = file.rows.single
                by_value = not file.preprocessed
                ids = [file.row_id(row) for row in range(count)] if isinstance(file.rows, ZipRows) else None
                row_bytes = math.prod(file.rows.row_shape) * self.dtype.itemsize + file.row_bytes
        except InputError as error:
            yield _failure(name, reason_in(error, name))
            return
        step = max(1, min(self.batch, self.queue, _CHUNK_BYTES // max(1, row_bytes)))
        chunks: Iterator[tuple[int, int]]
        if rows is not None:
            named_rows = (
                (row, f"{name}[{row}]" if ids is None or row >= count else ids[row]) for row in rows
            )
            chunks = ((row, row + 1) for row, one in named_rows if not self._skips(one))
            count = 0 if single else count
        else:
            chunks = (
                iter([(0, 1)]) if single else self._wanted_rows(name if ids is None else ids, count, step)
            )
        for start, stop in chunks:
            if stop > count:
                yield _failure(f"{name}[{start}]", "there is no such row; rows are counted from 0")
                continue
            yield _Task(
                lambda start=start, stop=stop: feed.take(path, start, stop),  # type: ignore[misc]
                inputs=stop - start,
                bytes=(stop - start) * row_bytes,
                of_rows=True,
                by_value=by_value,
            )

    def _memory_tasks(self, inputs: Sequence[MemoryInput]) -> Iterator["_Task"]:
        wanted = [one for one in inputs if not self._skips(one.id)]
        row_bytes = self._memory.size(inputs[0])
        step = max(1, min(self.batch, self.queue, _CHUNK_BYTES // max(1, row_bytes)))
        for start in range(0, len(wanted), step):
            some = wanted[start : start + step]
            yield _Task(
                lambda some=some: self._memory.take(some),  # type: ignore[misc]
                inputs=len(some),
                bytes=len(some) * row_bytes,
                by_value=True,
            )

    def _skips(self, name: str) -> bool:
        return self._skip is not None and self._skip(name)

    def _wanted_rows(self, name: str | Sequence[str], count: int, step: int) -> Iterator[tuple[int, int]]:
        """Rows of a file (its name, or the names of the rows) that are not skipped: (start, stop) of at most `step`."""
        for first in range(0, count, step):
            last = min(first + step, count)
            if self._skip is None:
                yield first, last
                continue
            start = first
            for row in range(first, last):
                if self._skip(f"{name}[{row}]" if isinstance(name, str) else name[row]):
                    if start < row:
                        yield start, row
                    start = row + 1
            if start < last:
                yield start, last

    def _open(self, path: Path) -> Bundle:
        return open_bundle(path, self._request, self.others, self.preprocessing)

    def _rows_in(self, path: Path) -> int | None:
        """Count the rows of a file; None if it is one input, or cannot be read."""
        try:
            with closing(self._open(path)) as file:
                return None if file.rows.single else len(file.rows)
        except InputError:
            return None

    def _note(self, file: Bundle) -> None:
        self.columns = self.columns or file.columns
        note = conversion_note(file.rows.dtype, self.dtype)
        for one in (*file.notes, *([note] if note else [])):
            self._add_note(one)

    def _add_note(self, note: str) -> None:
        if len(self._notes) < _MAX_NOTES:
            self._notes[note] = None

    def _picture(self, item: Path | MemoryInput) -> Piece:
        name = _id(item)
        if self.others and isinstance(item, Path):
            return Piece(failed=[FailedInput(name, lacking(self.others))])
        if self.preprocessing is None:
            return Piece(
                failed=[
                    FailedInput(name, f"is a picture; state its preprocessing with {named('preprocess')}")
                ]
            )
        others: dict[str, npt.NDArray[Any]] = {}
        try:
            if isinstance(item, Path):
                image = self.preprocessing.read(item)
            else:
                others = self._memory.others(item) if self.others else {}
                image = item.image(self.preprocessing.channels, self._request)
            tensor = tensor_of(image, self.preprocessing, self.dtype)
        except InputError as error:
            return Piece(failed=[FailedInput(name, reason_in(error, name))])
        damaged = (
            f"{name} is a damaged JPEG: its end is missing and shown grey" if FILLED_IN in image.info else ""
        )
        return Piece(
            [name],
            tensor[np.newaxis],
            others=[others],
            note=damaged or crop_note(self.preprocessing, image.size[::-1]),
        )


def _id(item: Path | MemoryInput) -> str:
    return name_of(item) if isinstance(item, Path) else item.id


def _failure(name: str, reason: str) -> "_Task":
    piece = Piece(failed=[FailedInput(name, reason)])
    return _Task(lambda: piece, inputs=1, bytes=0)


@dataclass(frozen=True)
class _Task:
    """A piece of work for a thread, and what its result will take."""

    run: Callable[[], Piece]
    inputs: int
    bytes: int
    of_rows: bool = False
    by_value: bool = False

    def run_unless(self, stop: threading.Event) -> Piece:
        """Run the task unless `stop` is set."""
        return Piece() if stop.is_set() else self.run()


def _at_least_one(name: str, value: int) -> int:
    if value < 1:
        raise UsageError(f"Expected `{name}` to be 1 or more, but got {value}.")
    return value
