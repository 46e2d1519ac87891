"""`onnx-ood sensitivity`."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import command
import jsonschema
import numpy as np
import pytest

from onnx_ood import models

SCHEMA = Path(__file__).parents[2] / "docs" / "schemas" / "sensitivity.json"


@pytest.fixture
def garments(tmp_path: Path) -> Path:
    images, _ = models.fashion_samples()
    np.save(tmp_path / "garments.npy", (images[::20, np.newaxis] / 255).astype(np.float32))
    return tmp_path / "garments.npy"


def run(*arguments: object, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    return command.run("sensitivity", *arguments, folder=folder)


def test_two_models_are_ranked_and_the_json_keeps_to_its_schema(garments: Path, tmp_path: Path) -> None:
    paths = [models.path("fashion_cnn"), models.path("fashion_resnet")]
    options = ["--directions", 4, "--trajectories", 1, "--tolerance", 0.05, "--json", tmp_path / "r.json"]
    options += ["--picture", tmp_path / "r.svg"]
    done = run(*paths, garments, *options, "--verbose")
    assert (done.returncode, command.messages(done)) == (0, "")
    result = json.loads((tmp_path / "r.json").read_text())
    jsonschema.validate(result, json.loads(SCHEMA.read_text()))
    means = [model["jacobian"]["norm"]["mean"] for model in result["models"]]
    assert means == sorted(means)
    for text in (
        "2 models",
        "fashion_resnet.onnx",
        "through three classes",
        "Jacobian norm",
    ):
        assert text in done.stdout
    drawn = "".join(ElementTree.fromstring((tmp_path / "r.svg").read_text()).itertext())
    for text in ("fashion_cnn.onnx", "fashion_resnet.onnx", "Through three classes", "softmax of 'logits'"):
        assert text in drawn


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([models.path("fashion_cnn")], "no inputs given"),
        (["a.npy"], "no model given"),
        ([models.path("fashion_cnn"), "x.npy", "--directions", "1"], "--directions"),
        ([models.path("fashion_cnn"), "x.npy", "--probe", "op:Relu"], "selects 5 tensors"),
        ([models.path("fashion_cnn"), "x.npy", "--probe", "op:Sigmoid"], "op:Sigmoid"),
        ([models.path("fashion_cnn"), "x.npy", "--site", "nowhere"], "'nowhere' is not a tensor"),
        ([models.path("fashion_cnn"), "x.npy", "--feed", "mask=1"], "has no input 'mask'"),
        (
            [models.path("fashion_cnn"), "x.npy", "--picture", "x.pdf"],
            "x.pdf: pictures are written as .svg or .png",
        ),
        ([models.path("fashion_cnn"), "x.npy", "--classes", "none.csv"], "none.csv: no such file"),
    ],
)
def test_mistakes_are_one_line_and_exit_with_64(
    arguments: list[object], message: str, tmp_path: Path
) -> None:
    np.save(tmp_path / "x.npy", np.zeros((3, 1, 28, 28), np.float32))
    done = run(*arguments, folder=tmp_path)
    assert done.returncode == 64
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_nothing_measured_exits_with_3(tmp_path: Path) -> None:
    np.save(tmp_path / "nan.npy", np.full((2, 1, 28, 28), np.nan, np.float32))
    done = run(models.path("fashion_cnn"), tmp_path / "nan.npy", "--trajectories", 0, "--directions", 2)
    assert done.returncode == 3
    assert "no input could be measured" in done.stderr
