"""Files of types that are not read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command import run

from onnx_ood import models
from onnx_ood.inputs.other_files import _ADVICE, advice_on
from onnx_ood.inputs.rows.file_types import SUFFIXES


def test_types_that_are_read_have_no_such_advice() -> None:
    assert not SUFFIXES & _ADVICE.keys()
    assert advice_on(Path("a.PNG")) is advice_on(Path("a")) is None


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("a.MP4", "extract its frames"),
        ("a.pt", "save its arrays as .npy"),
        ("a.xlsx", "save it as .parquet"),
        ("a.tar", "unpack it"),
        ("a.dcm", "scaled as the model expects"),
        ("b.onnx", "it is a model"),
        ("a.json", "save its values"),
    ],
)
def test_a_file_that_is_named_fails_with_what_to_do(name: str, advice: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"\x00" * 100)
    np.save(tmp_path / "x.npy", np.zeros((2, 1, 28, 28), "f4"))
    done = run("score", models.path("fashion_cnn"), name, "--detectors", "deviation", "-q", folder=tmp_path)
    assert done.returncode == 3
    assert f"{name}: is not a picture" in done.stderr
    assert advice in done.stderr
    assert done.stderr.count("\n") == 1
