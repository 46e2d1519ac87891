"""Assembly of batches from rows and failures."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from row_files import pictures, reader, values


def test_failures_are_named_and_do_not_change_the_batches(tmp_path: Path) -> None:
    good = pictures(tmp_path, 6)
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    wrong = tmp_path / "wrong.png"
    Image.new("RGB", (9, 9)).save(wrong)
    np.save(tmp_path / "misfit.npy", np.zeros((2, 3, 4, 6), np.float32))
    paths = [
        tmp_path / "bad.jpg",
        *good[:3],
        wrong,
        good[3],
        tmp_path / "misfit.npy",
        tmp_path / "gone.png",
        *good[4:],
    ]
    first, second = reader(paths)
    assert values(first) + values(second) == list(range(6))
    assert len(first) == 4
    found = [*first.failed, *second.failed]
    assert [Path(failed.id).name for failed in found] == ["bad.jpg", "wrong.png", "misfit.npy", "gone.png"]
    assert [failed.reason.split(";")[0].split(" (")[0] for failed in found] == [
        "is not a picture that can be read here",
        "is 9x9 pixels",
        "has rows of shape [3,4,6], but the model takes [3,4,5]",
        "no such file",
    ]
    assert reader(paths).count() == len(paths)


def test_a_collection_of_nothing_but_failures_is_told_in_small_portions(tmp_path: Path) -> None:
    batches = list(reader([tmp_path / f"{index}.png" for index in range(10)]))
    assert [len(batch.failed) for batch in batches] == [4, 4, 2]
    assert all(len(batch) == 0 and batch.tensors.shape == (0, 3, 4, 5) for batch in batches)
    (free,) = reader([tmp_path / "0.png"], input_shape=["N", 3, "H", None])
    assert free.tensors.shape == (0, 3, 0, 0)


def test_rows_of_different_sizes_never_share_a_batch(tmp_path: Path) -> None:
    sizes = [(4, 5), (4, 5), (6, 5), (4, 5), (4, 5), (4, 5), (4, 5), (4, 5)]
    paths = []
    for index, size in enumerate(sizes):
        paths.append(tmp_path / f"{index}.npy")
        np.save(paths[-1], np.zeros((3, *size), np.float32))
    batches = list(reader(paths, input_shape=["N", 3, "H", "W"]))
    assert [batch.tensors.shape for batch in batches] == [
        (2, 3, 4, 5),
        (1, 3, 6, 5),
        (4, 3, 4, 5),
        (1, 3, 4, 5),
    ]


def test_a_batch_is_handed_out_before_it_grows_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onnx_ood.inputs.assembly.MAX_BATCH_BYTES", 3 * 60 * 4)
    assert [len(batch) for batch in reader(pictures(tmp_path, 7), batch=100)] == [3, 3, 1]
