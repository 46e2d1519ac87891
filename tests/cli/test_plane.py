"""`onnx-ood plane`."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import command
import jsonschema
import numpy as np
import pytest
from PIL import Image

from onnx_ood import models

SCHEMA = Path(__file__).parents[2] / "docs" / "schemas" / "plane.json"


@pytest.fixture
def garments(tmp_path: Path) -> Path:
    images, _ = models.fashion_samples()
    np.save(tmp_path / "garments.npy", (images[::20, np.newaxis] / 255).astype(np.float32))
    return tmp_path / "garments.npy"


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return command.run("plane", models.path("fashion_cnn"), *arguments)


def test_report_json_and_pictures(garments: Path, tmp_path: Path) -> None:
    rows = [f"{garments}[{row}]" for row in (3, 1, 0)]
    options = ["--resolution", 24, "--directions", 2, "--units", 40, "-v", "--json", tmp_path / "r.json"]
    drawn = ["--picture", tmp_path / "p.png", "--picture", tmp_path / "p.svg"]
    done = run(*rows, *options, *drawn)
    assert (done.returncode, command.messages(done)) == (0, "")
    result = json.loads((tmp_path / "r.json").read_text())
    jsonschema.validate(result, json.loads(SCHEMA.read_text()))
    assert [point["id"] for point in result["points"]] == rows
    for text in (
        "sneaker",
        "pullover",
        "ankle boot",
        "40 of 40 units switch",
        "40 of 40, a sample of the layer's 3,136",
        "p.svg",
        "Jacobian",
    ):
        assert text in done.stdout
    with Image.open(tmp_path / "p.png") as picture:
        assert picture.format == "PNG"
    assert (tmp_path / "p.svg").read_text().count("ankle boot") >= 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "these are 10; name three files, or rows of a file as in x.npy[0] x.npy[7] x.npy[9]"),
        (["--picture", "plane.pdf"], "plane.pdf: pictures are written as .svg or .png"),
    ],
)
def test_mistakes_are_one_line_and_exit_with_64(options: list[str], message: str, garments: Path) -> None:
    three = [f"{garments}[{row}]" for row in range(3)]
    done = run(*(three if options else [garments]), *options)
    assert done.returncode == 64
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
