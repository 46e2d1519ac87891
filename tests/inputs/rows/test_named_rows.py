"""Rows of files as arguments, against what the reader calls them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from onnx_ood.inputs import Reader, discover, named_rows


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for i, name in enumerate(("x.npy", "y.npy", "z[1].npy")):
        np.save(name, 100 * i + np.arange(30, dtype=np.float32).reshape(10, 3))
    np.save("x.npy[4]", np.zeros(1))
    (tmp_path / "x.npy[4].npy").rename("x.npy[4]")
    return tmp_path


def read(arguments: list[str]) -> dict[str, float]:
    """The first value of each input by its name."""
    named = named_rows(arguments)
    reader = Reader(
        discover(named.arguments).paths,
        preprocessing=None,
        input_name="x",
        input_shape=("N", 3),
        skip=named.skip,
    )
    return {
        name: float(row[0]) for batch in reader for name, row in zip(batch.ids, batch.tensors, strict=True)
    }


def test_rows_are_read_and_no_others(folder: Path) -> None:
    assert read(["x.npy[7]", "y.npy[0]", "x.npy[02]"]) == {"x.npy[2]": 6, "x.npy[7]": 21, "y.npy[0]": 100}
    assert named_rows(["x.npy[7]", "y.npy[0]", "x.npy[02]"]).ids == ("x.npy[7]", "y.npy[0]", "x.npy[2]")


def test_files_that_are_named_as_a_whole_are_read_as_a_whole(folder: Path) -> None:
    found = read(["x.npy[7]", "y.npy"])
    assert found == {"x.npy[7]": 21} | {f"y.npy[{i}]": 100 + 3 * i for i in range(10)}


def test_names_that_are_files_or_patterns_stay(folder: Path) -> None:
    named = named_rows(["x.npy[4]", "z[1].npy", "w.npy[3]", "[xy].npy", "x.npy[-1]", "x.npy[1:3]"])
    assert named.ids == ()
    assert named.arguments == ("x.npy[4]", "z[1].npy", "w.npy[3]", "[xy].npy", "x.npy[-1]", "x.npy[1:3]")
    assert read(["z[1].npy[3]"]) == {"z[1].npy[3]": 209}
