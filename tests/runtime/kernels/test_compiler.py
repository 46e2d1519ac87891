"""Compiled loops and their stored machine code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from onnx_ood.runtime.kernels import compiler


def _twice(values, out):  # type: ignore[no-untyped-def]
    for i in range(values.size):
        out[i] = 2 * values[i]


def _shifted(values, by, out):  # type: ignore[no-untyped-def]
    for i in range(values.shape[0]):
        for k in range(values.shape[1]):
            out[i, k] = values[i, k] + by


def _allocating(values, out):  # type: ignore[no-untyped-def]
    out[0] = np.sort(values)[0]


@pytest.fixture
def folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Path]:
    """Two folders for stored loops, and no loop that is loaded."""
    found = [tmp_path / "first", tmp_path / "second"]
    monkeypatch.setattr(compiler, "_folders", lambda: iter(found))
    return found


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What is compiled."""
    made: list[object] = []
    plain = compiler._compile

    def counted(function, signature):  # type: ignore[no-untyped-def]
        made.append(signature)
        return plain(function, signature)

    monkeypatch.setattr(compiler, "_compile", counted)
    return made


def doubled(values: list[float]) -> list[float]:
    """Twice the values, by a loop that is loaded or compiled anew."""
    out = np.empty(len(values))
    compiler.compiled.__wrapped__(_twice)(np.array(values, np.float64), out)
    return list(out)


def test_a_loop_is_compiled_once_and_then_read(folders: list[Path], compilations: list[object]) -> None:
    assert doubled([1, -2.5]) == [2, -5]
    assert [path.suffix for path in folders[0].iterdir()] == [".kernel"]
    assert doubled([3]) == [6]
    assert len(compilations) == 1
    assert not folders[1].exists()


def test_arguments_of_other_types_are_other_loops(folders: list[Path], compilations: list[object]) -> None:
    loop = compiler.compiled.__wrapped__(_shifted)
    for dtype in ("float32", "float64", "int32"):
        out = np.empty((2, 3), dtype)
        loop(np.arange(6, dtype=dtype).reshape(2, 3), 4, out)
        np.testing.assert_array_equal(out, np.arange(6).reshape(2, 3) + 4)
    assert len(compilations) == len(list(folders[0].iterdir())) == 3


@pytest.mark.parametrize(
    "damage", [lambda content: content[:40], lambda content: content[:-1] + b"x", lambda _: b""]
)
def test_a_damaged_file_is_replaced(folders: list[Path], compilations: list[object], damage) -> None:  # type: ignore[no-untyped-def]
    doubled([1])
    (path,) = folders[0].iterdir()
    path.write_bytes(damage(path.read_bytes()))
    assert doubled([7]) == doubled([7]) == [14]
    assert len(compilations) == 2


def test_the_second_folder_is_used_if_the_first_cannot_be_written(
    folders: list[Path], compilations: list[object]
) -> None:
    folders[0].write_text("a file in place of the folder")
    assert doubled([1]) == doubled([1]) == [2]
    assert len(compilations) == len(list(folders[1].iterdir())) == 1


def test_without_a_writable_folder_loops_are_compiled_all_the_same(
    folders: list[Path], compilations: list[object]
) -> None:
    for folder in folders:
        folder.write_text("a file in place of the folder")
    assert doubled([1]) == doubled([1]) == [2]
    assert len(compilations) == 2


def test_a_full_disk_leaves_no_part_of_a_file(
    folders: list[Path], compilations: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: bytes) -> None:
        path.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    assert doubled([4]) == [8]
    assert [list(folder.iterdir()) for folder in folders] == [[], []]
    assert len(compilations) == 1


def test_a_loop_that_allocates_is_refused(folders: list[Path]) -> None:
    with pytest.raises(AssertionError, match="_allocating allocates or raises"):
        compiler.compiled.__wrapped__(_allocating)(np.ones(3), np.ones(1))
    assert not folders[0].exists()


def test_the_key_depends_on_code_types_and_processor() -> None:
    types, others = (("<f8", 1),), (("<f4", 1),)
    keys = {
        compiler._key(function, signature, processor)
        for function in (_twice, _shifted)
        for signature in (types, others)
        for processor in ("this", "another")
    }
    assert len(keys) == 8


def test_a_process_that_finds_stored_loops_does_not_import_numba(tmp_path: Path) -> None:
    code = """
import sys, numpy as np
from onnx_ood.runtime.kernels import compiler
from onnx_ood.runtime.kernels.pair_sums import pair_sums
compiler._folders = lambda: iter([compiler.Path(sys.argv[1])])
a = np.array([[1.0, -2.0, 3.0]], np.float32)
print([one.tolist() for one in pair_sums(a, np.array([[-1.0, -2.0, 5.0]], np.float32))], "numba" in sys.modules)
"""
    found = [
        subprocess.run(
            [sys.executable, "-c", code, str(tmp_path)],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout.strip()
        for seed in ("1", "2")
    ]
    assert found == ["[[4.0], [8.0], [1]] True", "[[4.0], [8.0], [1]] False"]
