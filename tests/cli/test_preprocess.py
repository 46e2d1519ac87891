"""`onnx-ood preprocess`."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import command
import jsonschema
import pytest
from PIL import Image

from onnx_ood import models

SCHEMA = Path(__file__).parents[2] / "docs" / "schemas" / "preprocess.json"


@pytest.fixture
def garments(tmp_path: Path) -> Path:
    folder = tmp_path / "garments"
    folder.mkdir()
    images, _ = models.fashion_samples()
    for i, image in enumerate(images[:: len(images) // 30][:30]):
        Image.fromarray(image).save(folder / f"{i:02}.png")
    return folder


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return command.run("preprocess", *arguments)


def test_report_and_json_agree(garments: Path, tmp_path: Path) -> None:
    done = run(models.path("fashion_cnn"), garments, "-v", "--json", tmp_path / "result.json")
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "result.json").read_text())
    jsonschema.validate(result, json.loads(SCHEMA.read_text()))
    assert "values: 0 to 1 (unit,L,stretch)" in done.stdout
    assert "resize: undetermined" in done.stdout
    assert f"--preprocess {result['questions'][1]['candidates'][0]['spec']}" in done.stdout
    for question in result["questions"]:
        for candidate in question["candidates"]:
            assert f"{candidate['score']:.2f}" in done.stdout


def test_too_few_photos(garments: Path) -> None:
    done = run(models.path("fashion_cnn"), garments / "00.png")
    assert done.returncode == 3
    assert "fewer than 10 photos" in done.stderr
    assert len(command.messages(done).splitlines()) == 1


def test_write_card(garments: Path, tmp_path: Path) -> None:
    model = tmp_path / "m.onnx"
    model.write_bytes(models.path("fashion_cnn").read_bytes())
    done = run(model, garments, "--write-card")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"Card written to {tmp_path / 'm.json'}"
    assert json.loads((tmp_path / "m.json").read_text())["preprocessing"]["channels"] == "L"
    again = run(model, garments, "--write-card", "-q")
    assert again.returncode == 64
    assert "m.json: exists" in again.stderr
