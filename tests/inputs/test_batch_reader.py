import gc
import threading
import time
import tracemalloc
import zipfile
from collections import deque
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from row_files import UNIT, pictures, reader, rows_of, table, threads, values, waveform

from onnx_ood import models
from onnx_ood._dialect import dialect
from onnx_ood.exceptions import UsageError
from onnx_ood.inputs import Batch, FailedInput, Preprocessing, Reader, open_inputs, parse
from onnx_ood.inputs.assembly import Assembly
from onnx_ood.inputs.read_ahead import one_ahead


@pytest.mark.parametrize("count", [0, 1, 4, 7, 50])
@pytest.mark.parametrize("workers", [1, 5])
def test_batches_keep_the_order_and_are_full(tmp_path: Path, count: int, workers: int) -> None:
    paths = pictures(tmp_path, count)
    batches = list(reader(paths, threads=workers))
    assert [len(batch) for batch in batches] == [4] * (count // 4) + [count % 4] * (count % 4 > 0)
    assert [number for batch in batches for number in values(batch)] == list(range(count))
    assert [name for batch in batches for name in batch.ids] == [path.as_posix() for path in paths]
    for batch in batches:
        assert batch.tensors.dtype == np.float32
        assert batch.tensors.shape[1:] == (3, 4, 5)
        assert batch.tensors.flags.c_contiguous
        assert batch.failed == ()
    assert threads() == 0


def test_it_can_be_read_again(tmp_path: Path) -> None:
    source = reader(pictures(tmp_path, 6))
    assert [batch.ids for batch in source] == [batch.ids for batch in source]


def test_a_tensor_is_the_preprocessing_s(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)).save(path)
    prepared = Preprocessing(
        channels="BGR", layout="NHWC", size=(8, 8), resize="short-side", mean=(0.1, 0.2, 0.3), std=(2, 3, 4)
    )
    for shape in (["N", 8, 8, 3], ["N", None, "W", 3]):
        (batch,) = reader([path], preprocessing=prepared, input_shape=shape)
        np.testing.assert_array_equal(batch.tensors[0], prepared.tensor(path))


def test_pictures_and_arrays_mix_in_order(tmp_path: Path) -> None:
    a, b = pictures(tmp_path, 2)
    rows = np.arange(10, 15, dtype=np.float32)[:, None, None, None] / 255 * np.ones((1, 3, 4, 5), np.float32)
    np.save(tmp_path / "rows.npy", rows)
    np.save(tmp_path / "one.npy", rows[0])
    np.savez_compressed(tmp_path / "z.npz", x=rows[3:], labels=np.arange(2))
    source = reader([a, tmp_path / "rows.npy", tmp_path / "one.npy", b, tmp_path / "z.npz"])
    assert source.count() == 10
    batches = list(source)
    names = [Path(name).name for batch in batches for name in batch.ids]
    assert names == [
        "p000.png",
        *(f"rows.npy[{i}]" for i in range(5)),
        "one.npy",
        "p001.png",
        "z.npz[0]",
        "z.npz[1]",
    ]
    assert [n for batch in batches for n in values(batch)] == [0, 10, 11, 12, 13, 14, 10, 1, 13, 14]
    assert [len(batch) for batch in batches] == [4, 4, 2]


@pytest.mark.parametrize("batch", [1, 2, 3, 100])
@pytest.mark.parametrize("queue", [1, 5])
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_the_rows_of_an_array_are_the_same_however_they_are_shared_out(
    tmp_path: Path, batch: int, queue: int, suffix: str
) -> None:
    stored = np.random.default_rng(1).random((23, 3, 4, 5), np.float32)
    path = tmp_path / f"x{suffix}"
    (np.save if suffix == ".npy" else np.savez_compressed)(path, stored)
    got = np.concatenate([one.tensors for one in reader([path, path], batch=batch, queue=queue)])
    np.testing.assert_array_equal(got, np.concatenate([stored, stored]))


def test_rows_that_are_no_numbers_fail_by_name(tmp_path: Path) -> None:
    stored = np.zeros((5, 3, 4, 5))
    stored[1, 0, 0, 0], stored[3, 2, 3, 4], stored[4, 1, 1, 1] = np.nan, np.inf, -1e300
    path = tmp_path / "x.npy"
    np.save(path, stored)
    (batch,) = reader([path], batch=8)
    name, reason = path.as_posix(), "holds NaN, infinity or a value outside the range of float32"
    assert batch.ids == (f"{name}[0]", f"{name}[2]")
    assert batch.failed == tuple(FailedInput(f"{name}[{row}]", reason) for row in (1, 3, 4))


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [("float16", 100 / 255), ("float64", np.float32(100) / np.float32(255)), ("float32", None)],
)
def test_pictures_come_in_the_model_s_type(tmp_path: Path, dtype: str, expected: float | None) -> None:
    path = tmp_path / "x.png"
    Image.new("RGB", (5, 4), (100, 100, 100)).save(path)
    (batch,) = reader([path], dtype=dtype)
    assert batch.tensors.dtype == dtype
    assert batch.tensors[0, 0, 0, 0] == np.dtype(dtype).type(
        np.float32(100 / 255) if expected is None else expected
    )


def test_a_model_that_takes_bytes_gets_them(tmp_path: Path) -> None:
    paths = pictures(tmp_path, 200)[150:]
    in_bytes = UNIT.model_copy(update={"std": (1 / 255,)})
    got = np.concatenate([batch.tensors for batch in reader(paths, dtype=np.uint8, preprocessing=in_bytes)])
    assert got.dtype == np.uint8
    assert got[:, 0, 0, 0].tolist() == list(range(150, 200))
    normalised = UNIT.model_copy(update={"mean": (0.9,), "std": (0.1,)})
    (failed,) = next(iter(reader(paths[:1], dtype=np.uint8, preprocessing=normalised))).failed
    assert failed.reason.startswith(
        "comes out between -3 and -3, which uint8 cannot hold; choose a suitable preprocessing"
    )
    (failed,) = next(iter(reader(paths[:1], dtype=bool))).failed
    assert failed.reason == "is a picture, but the model takes bool"


def test_arrays_are_taken_by_value_and_the_user_is_told(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.full((2, 3, 4, 5), 200, np.int16))
    np.savez(tmp_path / "b.npz", images=np.zeros((1, 3, 4, 5)), labels=np.zeros(1))
    source = reader([tmp_path / "a.npy", tmp_path / "a.npy", tmp_path / "b.npz"], batch=8)
    assert source.notes == ()
    (batch,) = source
    assert batch.tensors[:, 0, 0, 0].tolist() == [200, 200, 200, 200, 0]
    assert source.notes == (
        "The arrays hold values from 0 to 200, but the preprocessing of pictures gives 0 to 1. Such arrays are fed as "
        "they are: unless they are preprocessed, all numbers are wrong (uint8 arrays are preprocessed).",
        "arrays of int16 are handed to the float32 input by value, not scaled to 0-1",
        f"{(tmp_path / 'b.npz').as_posix()}: of several arrays, 'images' was taken",
    )


def test_arrays_of_the_wrong_kind_fail_by_name(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((2, 7), np.float32))
    (batch,) = reader([tmp_path / "a.npy"], preprocessing=None, input_shape=["N", 7], dtype=np.int64)
    assert batch.failed == (
        FailedInput(
            (tmp_path / "a.npy").as_posix(), "holds float32, but the model takes int64; save it as int64"
        ),
    )


def test_without_a_preprocessing_pictures_fail_by_name_and_arrays_do_not(tmp_path: Path) -> None:
    (path,) = pictures(tmp_path, 1)
    np.save(tmp_path / "a.npy", np.zeros((2, 3, 4, 5), np.float32))
    (batch,) = reader([path, tmp_path / "a.npy"], preprocessing=None)
    assert len(batch) == 2
    assert batch.failed[0].reason == "is a picture; state its preprocessing with preprocess"
    with dialect("cli"):
        (batch,) = reader([path], preprocessing=None)
    assert batch.failed[0].reason == "is a picture; state its preprocessing with --preprocess"


@pytest.mark.parametrize("name", ["batch", "threads", "queue"])
def test_numbers_that_make_no_sense_are_usage_errors(name: str) -> None:
    with pytest.raises(UsageError, match=f"Expected `{name}` to be 1 or more, but got 0."):
        reader([], **{name: 0})


def test_a_preprocessing_that_does_not_suit_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match=r"gives \[N,3,4,5\], but the model takes \[N,3,8,8\]"):
        reader([], input_shape=["N", 3, 8, 8])


def test_counting_many_array_files_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onnx_ood.inputs.batch_reader.MAX_COUNTED", 2)
    assert reader([Path("a.npy")] * 2).count() == 2
    assert reader([Path("a.npy")] * 3).count() is None
    assert reader([Path("a.png")] * 300).count() == 300


class SlowPreprocessing(Preprocessing):
    """Takes its time, so that the decoders are busy when the consumer leaves."""

    def read(self, path: Path) -> Any:
        time.sleep(0.01)
        return super().read(path)


SLOW = SlowPreprocessing(**UNIT.model_dump())


def test_breaking_off_ends_the_threads(tmp_path: Path) -> None:
    for _batch in reader(pictures(tmp_path, 40), preprocessing=SLOW):
        assert threads() > 0
        break
    gc.collect()
    assert threads() == 0


@pytest.mark.parametrize("kind", [RuntimeError, KeyboardInterrupt])
def test_an_exception_of_the_consumer_ends_the_threads(tmp_path: Path, kind: type[BaseException]) -> None:
    def consume() -> None:
        for _batch in reader(pictures(tmp_path, 40), preprocessing=SLOW):
            raise kind

    with pytest.raises(kind):
        consume()
    gc.collect()
    assert threads() == 0


def test_closing_an_iteration_ends_the_threads_and_closes_files(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((50, 3, 4, 5), np.float32))
    opened = len(list(Path("/proc/self/fd").iterdir()))
    batches = iter(reader([tmp_path / "x.npy"]))
    next(batches)
    assert threads() > 0
    batches.close()
    assert threads() == 0
    assert len(list(Path("/proc/self/fd").iterdir())) == opened


class BugError(Exception):
    """Not an error we raise on purpose."""


class BrokenPreprocessing(Preprocessing):
    def read(self, path: Path) -> Any:
        if path.name == "p006.png":
            raise BugError(path.name)
        return super().read(path)


def test_a_bug_in_a_thread_reaches_the_consumer(tmp_path: Path) -> None:
    batches = iter(reader(pictures(tmp_path, 20), preprocessing=BrokenPreprocessing(**UNIT.model_dump())))
    assert values(next(batches)) == [0, 1, 2, 3]
    with pytest.raises(BugError, match="p006"):
        next(batches)
    assert threads() == 0


class CountingPreprocessing(Preprocessing):
    def read(self, path: Path) -> Any:
        STARTED.append(path)
        return super().read(path)


STARTED: list[Path] = []


def test_decoding_runs_ahead_as_far_as_the_queue_and_no_further(tmp_path: Path) -> None:
    STARTED.clear()
    paths = pictures(tmp_path, 60)
    source = reader(paths, preprocessing=CountingPreprocessing(**UNIT.model_dump()), batch=5, queue=7)
    seen = 0
    for batch in source:
        seen += len(batch)
        # The consumer computes; meanwhile the next batch is made, and the decoders go on, up to the queue.
        ahead = 5 + 7
        patience = time.monotonic() + 10
        while len(STARTED) < min(seen + ahead - 1, 60) and time.monotonic() < patience:
            time.sleep(0.001)
        assert len(STARTED) >= min(seen + ahead - 1, 60)
        time.sleep(0.02)
        assert len(STARTED) <= seen + ahead
    assert seen == 60


def test_the_next_batch_is_ready_before_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[str, str]] = []
    ready = threading.Event()

    def hand_out(assembly: Assembly) -> Batch:
        batch = original(assembly)
        made.append((threading.current_thread().name, batch.ids[0]))
        if len(made) == 2:
            ready.set()
        return batch

    original = Assembly._hand_out
    monkeypatch.setattr(Assembly, "_hand_out", hand_out)
    paths = pictures(tmp_path, 20)
    with closing(iter(reader(paths))) as batches:
        next(batches)
        assert ready.wait(10)
        time.sleep(0.02)
        assert [name for _, name in made] == [paths[0].as_posix(), paths[4].as_posix()]  # no third
        assert all(thread.startswith("onnx-ood-batches") for thread, _ in made)


class GatedPreprocessing(CountingPreprocessing):
    """From the second batch on, pictures are done only when the reader has been told to stop."""

    def read(self, path: Path) -> Any:
        tensor = super().read(path)
        if path.name >= "p005":
            assert STOPS[-1].wait(10)
        return tensor


STOPS: list[threading.Event] = []


def test_nothing_is_begun_once_the_consumer_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def spying(make: Any, *, name: str) -> Any:
        return one_ahead(lambda stop: (STOPS.append(stop), make(stop))[1], name=name)

    monkeypatch.setattr("onnx_ood.inputs.batch_reader.one_ahead", spying)
    STARTED.clear()
    gated = GatedPreprocessing(**UNIT.model_dump())
    batches = iter(reader(pictures(tmp_path, 60), preprocessing=gated, batch=5, queue=20, threads=2))
    assert values(next(batches)) == [0, 1, 2, 3, 4]
    batches.close()
    # Two were being decoded. All of the second batch would have been without the word to stop.
    assert len(STARTED) <= 5 + 2
    assert threads() == 0


def test_memory_does_not_grow_with_the_number_of_inputs(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    Image.new("RGB", (64, 64), (1, 2, 3)).save(path)
    np.save(tmp_path / "x.npy", np.zeros((10, 3, 64, 64), np.float32))
    prepared = Preprocessing(channels="RGB", layout="NCHW", size=(64, 64), resize="none")

    def peak(count: int) -> int:
        tracemalloc.start()
        try:
            paths = [path] * (count // 2) + [tmp_path / "x.npy"] * (count // 20)
            total = 0
            for batch in reader(
                paths, preprocessing=prepared, input_shape=["N", 3, 64, 64], batch=4, threads=2
            ):
                total += len(batch)
            assert total == count
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(20)  # imports and caches
    few, many = peak(100), peak(800)
    # How much the threads hold at the same moment differs from run to run.
    # All 800 tensors would be 20 times the second limit.
    assert many < 2 * few
    assert many < 40 * (3 * 64 * 64 * 4)


def test_large_rows_are_not_queued_by_the_dozen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onnx_ood.inputs.batch_reader.MAX_AHEAD_BYTES", 3 * 60 * 4)
    STARTED.clear()
    source = reader(
        pictures(tmp_path, 30), preprocessing=CountingPreprocessing(**UNIT.model_dump()), batch=1, queue=20
    )
    for seen, _batch in enumerate(source, 1):
        time.sleep(0.005)
        assert len(STARTED) <= seen + 1 + 3  # the next batch, and three beyond


@pytest.mark.parametrize("batch", [1, 3, 100])
@pytest.mark.parametrize("queue", [1, 7])
def test_waveforms_tables_and_arrays_mix_in_order(tmp_path: Path, batch: int, queue: int) -> None:
    sound = np.random.default_rng(0).uniform(-1, 1, 44).astype(np.float32)
    rows = np.random.default_rng(1).random((7, 4)).astype(np.float32)
    paths = [
        waveform(tmp_path / "a.wav", sound),
        table(tmp_path / "b.parquet", **{f"c{i}": rows[:, i] for i in range(4)}),
        tmp_path / "c.npy",
        waveform(tmp_path / "D.WAV", sound[:4], 16_000),
    ]
    np.save(paths[2], rows)
    source = rows_of(paths, input_shape=["N", 4], batch=batch, queue=queue)
    assert source.count() == 11 + 7 + 7 + 1
    batches = list(source)
    assert [len(one) for one in batches[:-1]] == [batch] * (len(batches) - 1)
    assert [name for one in batches for name in one.ids] == [
        f"{path.as_posix()}[{row}]"
        for path, count in zip(paths, (11, 7, 7, 1), strict=True)
        for row in range(count)
    ]
    expected = np.concatenate([sound.reshape(11, 4), rows, rows, sound[np.newaxis, :4]])
    np.testing.assert_array_equal(np.concatenate([one.tensors for one in batches]), expected)
    assert not any(one.failed for one in batches)
    assert source.notes == tuple(
        f"waveforms are not resampled: {rate} samples a second were met" for rate in ("8,000", "16,000")
    )


def test_whole_waveforms_go_by_their_paths_and_come_in_the_model_s_type(tmp_path: Path) -> None:
    paths = [
        waveform(tmp_path / f"{i}.wav", np.full((count, 2), 1 << 14, np.int16))
        for i, count in enumerate((3, 3, 5))
    ]
    source = rows_of(paths, input_shape=["N", 1, "samples"], dtype=np.float16)
    first, second = source
    assert (first.tensors.shape, second.tensors.shape) == ((2, 1, 3), (1, 1, 5))
    assert first.tensors.dtype == np.float16
    assert (first.tensors == 0.5).all()
    assert first.ids + second.ids == tuple(path.as_posix() for path in paths)
    assert "stereo waveforms were averaged to one channel" in source.notes


@pytest.mark.parametrize("batch", [2, 100])
def test_what_is_skipped_is_not_read_whatever_the_kind_of_file(tmp_path: Path, batch: int) -> None:
    waveform(tmp_path / "a.wav", np.arange(12) / 100)
    table(tmp_path / "b.parquet", p=[1.0, None, 3.0, 4.0], q=[1.0, 2.0, 3.0, 4.0])
    np.save(tmp_path / "c.npy", np.arange(8.0).reshape(4, 2))
    np.savez_compressed(tmp_path / "d.npz", x=np.arange(10.0).reshape(5, 2))
    np.save(tmp_path / "e.npy", np.arange(2.0))
    paths = sorted(tmp_path.iterdir())

    def read(**changes: Any) -> dict[str, object]:
        found: dict[str, object] = {}
        for one in Reader(
            paths, preprocessing=None, input_name="x", input_shape=[None, 2], batch=batch, **changes
        ):
            found |= {name: row.tolist() for name, row in zip(one.ids, one.tensors, strict=True)}
            found |= {failure.id: failure.reason for failure in one.failed}
        return found

    everything = read()
    assert len(everything) == 6 + 4 + 4 + 5 + 1
    names = [*everything]
    generator = np.random.default_rng(0)
    choices = [set(names), set(names[:9]), *({*generator.choice(names, 12)} for _ in range(5))]
    for skipped in choices:
        asked: list[str] = []
        found = read(skip=lambda name, skipped=skipped, asked=asked: asked.append(name) or name in skipped)
        assert found == {name: value for name, value in everything.items() if name not in skipped}
        assert len(asked) == len(set(asked))
        assert set(everything) <= set(asked)


def test_what_is_broken_may_be_skipped_too(tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(b"nothing")
    (tmp_path / "b.png").write_bytes(b"nothing")
    paths = sorted(tmp_path.iterdir())
    assert list(reader(paths, skip={path.as_posix() for path in paths}.__contains__)) == []


def test_notes_about_skipped_files_are_given_all_the_same(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(2))
    notes = []
    for skip in (None, {(tmp_path / "a.npy").as_posix()}.__contains__):
        one = Reader(
            [tmp_path / "a.npy"], preprocessing=None, input_name="x", input_shape=[None, 2], skip=skip
        )
        assert sum(map(len, one)) == (skip is None)
        notes.append(one.notes)
    assert notes[0] == notes[1] != ()


def test_a_damaged_jpeg_that_was_patched_up_is_read_and_named(tmp_path: Path) -> None:
    photo = models.path("fashion_cnn").parent / "photos" / "astronaut.jpg"
    content = photo.read_bytes()
    (tmp_path / "whole.jpg").write_bytes(content)
    (tmp_path / "cut.jpg").write_bytes(content[: len(content) // 2] + b"\xff\xd9")
    preprocessing = Preprocessing(channels="RGB", layout="NCHW", size=(16, 16), resize="stretch")
    reader = Reader(
        [tmp_path / "whole.jpg", tmp_path / "cut.jpg"],
        input_name="x",
        input_shape=("N", 3, 16, 16),
        preprocessing=preprocessing,
    )
    (batch,) = list(reader)
    assert len(batch) == 2
    (note,) = reader.notes
    assert note == f"{(tmp_path / 'cut.jpg').as_posix()} is a damaged JPEG: its end is missing and shown grey"


def test_cropped_pictures_of_the_models_size_are_noted_once(tmp_path: Path) -> None:
    """As files, in memory, in an array and in an archive; a picture of another size is not."""
    shape = (None, 3, 64, 64)
    pictures = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)
    (tmp_path / "in").mkdir()
    for at, picture in enumerate(pictures):
        Image.fromarray(picture).save(tmp_path / "in" / f"{at}.png")
    np.save(tmp_path / "x.npy", pictures)
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.write(tmp_path / "in" / "0.png", "0.png")
    Image.new("RGB", (80, 64)).save(tmp_path / "wide.png")

    def notes(given: object) -> list[str]:
        reader = Reader(
            open_inputs(given), preprocessing=parse("imagenet", shape), input_name="x", input_shape=shape
        )
        deque(reader, maxlen=0)
        return [note for note in reader.notes if "enlarged and cropped" in note]

    for given in (tmp_path / "in", list(pictures), tmp_path / "x.npy", tmp_path / "x.zip"):
        assert len(notes(given)) == 1
    assert notes(tmp_path / "wide.png") == []
