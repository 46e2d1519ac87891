"""`onnx-ood bench` on a folder of photos."""

from __future__ import annotations

import csv
import json
import subprocess
from pathlib import Path

import command
import jsonschema
import numpy as np
import protocol_folders
import pytest
from PIL import Image

from onnx_ood import models

SCHEMA = Path(__file__).parents[2] / "docs" / "schemas" / "bench.json"


@pytest.fixture
def sets(tmp_path: Path) -> tuple[Path, Path]:
    images, _ = models.fashion_samples()
    good, odd = tmp_path / "garments", tmp_path / "odd"
    for folder, pictures in ((good, images[:12]), (odd, 255 - images[:12])):
        folder.mkdir()
        for i, image in enumerate(pictures):
            Image.fromarray(np.ascontiguousarray(image)).save(folder / f"{i:02}.png")
    return good, odd


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return command.run("bench", models.path("fashion_cnn"), *arguments)


def test_report_and_tables_agree(sets: tuple[Path, Path], tmp_path: Path) -> None:
    good, odd = sets
    files = {kind: tmp_path / f"table.{kind}" for kind in ("json", "csv", "markdown", "latex")}
    options = [text for kind, path in files.items() for text in (f"--{kind}", path)]
    done = run("--id", good, "--ood", f"inverted={odd}", "--detectors", "energy,class_cosine", *options)
    assert (done.returncode, command.messages(done)) == (0, "")
    result = json.loads(files["json"].read_text())
    jsonschema.validate(result, json.loads(SCHEMA.read_text()))
    with files["csv"].open() as lines:
        rows = {(row["detector"], row["set"]): row for row in csv.DictReader(lines)}
    markdown = files["markdown"].read_text().splitlines()
    latex = files["latex"].read_text()
    assert latex.count(r"\\") == 1 + len(result["detectors"])
    assert r"class\_cosine" in latex
    for place, detector in enumerate(result["detectors"]):
        for figure in detector["metrics"]:
            assert float(rows[detector["name"], figure["set"]]["auroc"]) == figure["auroc"]["value"]
            assert float(rows[detector["name"], figure["set"]]["fpr95"]) == figure["fpr95"]
        cells = [cell.strip() for cell in markdown[2 + place].strip("|").split("|")]
        assert cells[0] == f"`{detector['name']}`"
        assert cells[2:] == [f"{figure['auroc']['value']:.3f}" for figure in detector["metrics"]]
        assert detector["name"] in done.stdout
    assert "inverted" in done.stdout


def test_mistakes_are_one_line(sets: tuple[Path, Path]) -> None:
    good, odd = sets
    for arguments, expected in (
        (["--ood", odd], "is not NAME=PATH"),
        (["--detectors", "nothing"], "unknown detector 'nothing'"),
        (["--no-synthetic-ood"], "no out-of-distribution set to compare with; name one (--ood)"),
    ):
        done = run("--id", good, *arguments)
        assert done.returncode == 64
        assert expected in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1


def test_too_few_inputs_end_with_3(sets: tuple[Path, Path]) -> None:
    good, _ = sets
    done = run("--id", good, "--limit", 5, "--detectors", "msp")
    assert done.returncode == 3


def test_a_protocol_names_its_sets_and_cannot_overwrite_its_lists(tmp_path: Path) -> None:
    data = protocol_folders.write_data(tmp_path / "data")
    path = tmp_path / "result.json"
    done = run("--protocol", "cifar10", "--id", data, "--detectors", "msp", "--json", path)
    assert done.returncode == 0
    assert "Missing far sets: Textures, Places365" in " ".join(done.stdout.split())
    result = json.loads(path.read_text())
    jsonschema.validate(result, json.loads(SCHEMA.read_text()))
    assert [one["name"] for one in result["sets"]] == ["cifar100", "tin", "mnist", "svhn"]
    assert [one["name"] for one in result["protocol"]["sets"] if one["status"] == "missing"] == [
        "texture",
        "places365",
    ]
    listing = data / "benchmark_imglist" / "cifar10" / "test_tin.txt"
    before = listing.read_bytes()
    for arguments, expected in (
        (["--protocol", "cifar10", "--json", listing], "test_tin.txt"),
        (["--protocol", "cifar10", "--ood", f"more={data}"], "--ood: the protocol has its own sets"),
        (["--protocol", "imagenet200"], "in-distribution set ImageNet-200 not found"),
        (["--protocol", "cifar100"], "--protocol"),
    ):
        done = run("--id", data, "--detectors", "msp", *arguments)
        assert (done.returncode, expected in done.stderr) == (64, True), done.stderr
    assert listing.read_bytes() == before


def test_a_benchmark_file_can_name_a_protocol(tmp_path: Path) -> None:
    protocol_folders.write_data(tmp_path / "data")
    path = tmp_path / "bench.toml"
    path.write_text('id = "data"\nprotocol = "cifar10"\ndetectors = "msp"\n')
    done = run("--config", path, "--json", tmp_path / "result.json")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "result.json").read_text())["protocol"]["name"] == "cifar10"
