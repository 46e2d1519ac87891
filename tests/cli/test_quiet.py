"""Failed inputs under --quiet: one line on standard error, for each command that reads inputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command import run
from PIL import Image

from onnx_ood import models

CNN = str(models.path("fashion_cnn"))
WHY = "holds NaN, infinity or a value outside the range of float32"
FAILED = f"failed: x.npy[3]: {WHY}; x.npy[20]: {WHY}\n"
CHECK = f"""
[models.cnn]
path = {CNN!r}
inputs = ["x.npy"]
[[gates]]
metric = "failed-inputs"
max = 0.5
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 garments, two of them unusable, as an array and as pictures."""
    path = tmp_path_factory.mktemp("quiet")
    images, _ = models.fashion_samples()
    garments = (images[:24, np.newaxis] / 255).astype(np.float32)
    garments[[3, 20]] = np.nan
    np.save(path / "x.npy", garments)
    np.save(path / "y.npy", np.random.default_rng(0).random((10, 1, 28, 28), np.float32))
    (path / "photos").mkdir()
    for at, image in enumerate(images[:12]):
        Image.fromarray(image).save(path / "photos" / f"{at:02}.png")
    (path / "photos" / "05.png").write_bytes(b"")
    (path / "check.toml").write_text(CHECK)
    return path


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (["score", CNN, "x.npy", "--copies", "2"], f"2 of 24 inputs {FAILED}"),
        (["sensitivity", CNN, "x.npy", "--directions", "2"], f"2 of 24 inputs {FAILED}"),
        (
            ["bench", CNN, "--id", "x.npy", "--ood", "y=y.npy", "--detectors", "energy"],
            f"2 of 34 inputs {FAILED}",
        ),
        (
            ["directions", CNN, "--id", "x.npy", "--ood", "y=y.npy", "--scales", "0.1"],
            f"2 of 34 inputs {FAILED}",
        ),
        (["check", "check.toml"], f"cnn: 2 inputs {FAILED}"),
        (
            ["preprocess", CNN, "photos"],
            "1 of 12 inputs failed: photos/05.png: is not a picture",
        ),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_failed_inputs_are_one_line(command: list[str], line: str, folder: Path) -> None:
    done = run(*command, "--quiet", folder=folder)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.startswith(f"onnx-ood: {line}")
    assert done.stderr.count("\n") == 1


def test_a_stored_result_reads_no_inputs(folder: Path) -> None:
    run("score", CNN, "x.npy", "--copies", "2", "--json", "r.json", folder=folder)
    done = run("show", "r.json", "--quiet", folder=folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
