"""Pictures, waveforms and tables in files, and readers of them."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image
from pyarrow import parquet
from scipy.io import wavfile

from onnx_ood.inputs import Batch, Preprocessing, Reader

UNIT = Preprocessing(channels="RGB", layout="NCHW", size=(4, 5), resize="none")
SHAPE: list[int | str | None] = ["N", 3, 4, 5]


def pictures(folder: Path, count: int, *, suffix: str = ".png") -> list[Path]:
    """Pictures whose every value is their number."""
    paths = []
    for index in range(count):
        paths.append(folder / f"p{index:03}{suffix}")
        Image.new("RGB", (5, 4), (index, index, index)).save(paths[-1])
    return paths


def reader(paths: list[Path], **changes: Any) -> Reader:
    options: dict[str, Any] = {"preprocessing": UNIT, "input_name": "x", "input_shape": SHAPE, "batch": 4}
    return Reader(paths, **options | changes)


def threads() -> int:
    """Number of threads of readers; those of the runtime are `onnx-ood_0` and so on."""
    return sum(thread.name.startswith("onnx-ood-") for thread in threading.enumerate())


def values(batch: Batch) -> list[int]:
    """The number in each tensor; every value of a tensor is the same."""
    flat = batch.tensors.reshape(len(batch), -1)
    assert (flat == flat[:, :1]).all()
    return [round(float(value) * 255) for value in flat[:, 0]]


def rows_of(paths: list[Path], **changes: Any) -> Reader:
    return reader(paths, preprocessing=None, **changes)


def waveform(path: Path, samples: Any, rate: int = 8000) -> Path:
    wavfile.write(path, rate, np.asarray(samples))
    return path


def table(path: Path, **columns: Any) -> Path:
    parquet.write_table(pa.table(columns), path, row_group_size=3)
    return path
