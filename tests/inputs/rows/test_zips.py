"""Archives of pictures give what the same pictures in a folder give."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from onnx_ood.inputs import InputSource, Reader, RowRequest, open_inputs, parse
from onnx_ood.inputs.rows.file_types import count_rows

SHAPE = (None, 3, 8, 8)
NAMES = ["b/2.png", "a/1.jpg", "a/0.png"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    for name in NAMES:
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (12, 9, 3), np.uint8)).save(path)
    (tmp_path / "in" / "a" / "broken.png").write_bytes(b"x")
    return tmp_path


def zipped(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in [*NAMES, "a/broken.png"]:
            archive.write(folder / "in" / name, name)
        archive.writestr("__MACOSX/a/._0.png", b"x")
        archive.writestr(".hidden.png", b"x")
        archive.writestr("readme.txt", b"x")
    return folder / "x.zip"


def test_pictures_in_an_archive_equal_those_in_files(folder: Path) -> None:
    def read(source: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
        reader = Reader(
            open_inputs(source), preprocessing=parse("imagenet", SHAPE), input_name="x", input_shape=SHAPE
        )
        batches = list(reader)
        tensors = {name: t for batch in batches for name, t in zip(batch.ids, batch.tensors, strict=True)}
        return tensors, {one.id: one.reason for batch in batches for one in batch.failed}

    path = zipped(folder)
    got, failed = read(path)
    want, _ = read(folder / "in")
    prefix = f"{path.as_posix()}/"
    assert [name.removeprefix(prefix) for name in got] == sorted(NAMES)
    for name, tensor in want.items():
        np.testing.assert_array_equal(
            got[prefix + name.removeprefix(f"{(folder / 'in').as_posix()}/")], tensor
        )
    assert [*failed] == [f"{prefix}a/broken.png"]
    assert "is not a picture" in failed[f"{prefix}a/broken.png"]


def read_names(source: InputSource, skip: Sequence[str] = ()) -> list[str]:
    reader = Reader(
        source, preprocessing=parse("unit", SHAPE), input_name="x", input_shape=SHAPE, skip=skip.__contains__
    )
    return [name for batch in reader for name in (*batch.ids, *(one.id for one in batch.failed))]


def test_an_archive_counts_as_pictures_one_by_one(folder: Path) -> None:
    request = RowRequest("x", SHAPE, np.dtype(np.float32))
    source = open_inputs(zipped(folder))
    assert source.kinds(request) == (True, False)
    some = source.pictures(request).sample(3, 0, partial(count_rows, wanted=request))
    found = read_names(some)
    assert len(found) == 3
    assert set(found) < {f"{(folder / 'x.zip').as_posix()}/{name}" for name in (*NAMES, "a/broken.png")}
    assert read_names(some, skip=found[1:]) == found[:1]
    skipping = Reader(
        source, preprocessing=parse("unit", SHAPE), input_name="x", input_shape=SHAPE,
        skip=lambda name: "/a/" in name,
    )  # fmt: skip
    assert [name for batch in skipping for name in batch.ids] == [f"{(folder / 'x.zip').as_posix()}/b/2.png"]


def test_broken_and_empty_archives_fail_by_name(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK")
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("x.txt", b"")
    source = open_inputs([tmp_path / "a.zip", tmp_path / "b.zip"])
    reader = Reader(source, preprocessing=parse("unit", SHAPE), input_name="x", input_shape=SHAPE)
    reasons = [one.reason for batch in reader for one in batch.failed]
    assert reasons[0].startswith("cannot be read as an archive")
    assert reasons[1] == "holds no pictures"
