"""`onnx-ood bench --config`: a file says what options say, and options come before it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from onnx_ood.cli.main import run
from PIL import Image
from svg_parts import drawing, parts

from onnx_ood import models


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model, garments and inverted garments, and a file beside them that says so."""
    images, _ = models.fashion_samples()
    for name, pictures in (("garments", images[:12]), ("known", images[12:24]), ("odd", 255 - images[:12])):
        (tmp_path / name).mkdir()
        for i, image in enumerate(pictures):
            Image.fromarray(np.ascontiguousarray(image)).save(tmp_path / name / f"{i:02}.png")
    (tmp_path / "cnn.onnx").write_bytes(Path(models.path("fashion_cnn")).read_bytes())
    (tmp_path / "bench.toml").write_text(
        """
        model = "cnn.onnx"
        id = "garments"
        reference = ["known"]
        detectors = ["energy", "activity"]
        limit = 11
        seed = 3
        provider = "cpu"
        preprocess = "unit,L"
        synthetic-ood = false
        cache = "kept"
        batch-size = 4

        [ood]
        inverted = "odd"
        same = ["garments/0*.png", "garments/1*.png"]
        """
    )
    return tmp_path


def _run(folder: Path, *arguments: object) -> dict:
    found = folder / "found.json"
    assert run(["bench", *map(str, arguments), "--quiet", "--json", str(found)]) == 0
    result: dict = json.loads(found.read_text())
    return result


def test_a_file_says_what_options_say(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    inside = Path(folder.name)
    from_file = _run(folder, "--config", inside / "bench.toml")
    assert (folder / "kept").is_dir()
    options = [
        *(inside / "cnn.onnx", "--id", inside / "garments", "--reference", inside / "known"),
        *("--ood", f"inverted={inside}/odd", "--ood", f"same={inside}/garments/0*.png"),
        *("--ood", f"same={inside}/garments/1*.png", "--detectors", "energy,activity", "--no-synthetic-ood"),
        *("--limit", 11, "--seed", 3, "--provider", "cpu", "--preprocess", "unit,L", "--batch-size", 4),
    ]
    told = _run(folder, *options)
    assert from_file | {"cache": None} == told
    assert [one["name"] for one in told["sets"]] == ["inverted", "same"]
    assert (told["seed"], told["id"], told["references"]) == (3, 11, 11)


def test_options_come_before_the_file(folder: Path) -> None:
    found = _run(
        folder,
        *("--config", folder / "bench.toml", "--seed", 0, "--ood", f"only={folder}/odd", "--limit", 12),
        *("--detectors", "msp", "--corruptions", "fog"),
    )
    assert [one["name"] for one in found["sets"]] == ["only"]
    assert [one["name"] for one in found["detectors"]] == ["msp"]
    assert (found["seed"], found["id"]) == (0, 12)
    assert found["corruptions"]["corruptions"] == ["fog"]
    # What nobody says on the command line stays as the file says it, where its default differs too.
    assert found["preprocessing"].startswith("L,")
    assert found["cache"]["found"] == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("detectors = ['enregy']", "line 1: detectors: unknown detector 'enregy'"),
        ("\ncorruptions = ['fog', 'mist']", "line 2: corruptions: unknown corruption 'mist'"),
        ("seed = '1'", "line 1: seed: expected a whole number"),
        ("fpr = 1.5", "line 1: fpr: expected less than 1"),
        ("batch_size = 3", "line 1: batch_size: unknown key; did you mean 'batch-size'?"),
        ("batch-size = 0", "line 1: batch-size: expected 1 or more"),
        ("provider = 'gpu'", "line 1: provider: expected 'auto', 'cuda' or 'cpu'"),
        ("[ood]\na = 'b'\nc = [1]", "line 3: ood.c.0: expected text"),
    ],
)
def test_mistakes_in_it_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    path = tmp_path / "bench.toml"
    path.write_text(text)
    assert run(["bench", "--config", str(path)]) == 64
    said = capsys.readouterr().err
    assert said.startswith(f"onnx-ood: {path}: {message}")
    assert len(said.splitlines()) == 1


def test_what_is_missing_is_said(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for arguments, message in (
        (["bench"], "no model given"),
        (["bench", str(folder / "cnn.onnx")], "no in-distribution inputs given"),
    ):
        assert run(arguments) == 64
        assert message in capsys.readouterr().err


def test_pictures_and_curves_are_made(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--config", folder / "bench.toml", "--detectors", "msp", "--corruptions", "fog"]
    arguments += ["--picture", folder / "bench.svg", "--picture", folder / "bench.png"]
    found = _run(folder, *arguments)
    tree = drawing((folder / "bench.svg").read_text())
    sets = len(found["sets"])
    assert len(parts(tree, "g", "series-panel")) == (1 + sets) + (1 + 1)
    assert len(parts(tree, "g", "distribution")) == sets
    with Image.open(folder / "bench.png") as picture:
        assert picture.size == (2 * int(tree.get("width", "")), 2 * int(tree.get("height", "")))
    assert len(found["detectors"][0]["scores"]["id"]) == found["id"]
    assert run(["bench", *map(str, arguments), "--verbose"]) == 0
    printed = capsys.readouterr().out
    assert "AUROC of msp by corruption and severity" in printed
    assert "0 measured" in printed
    for name, code in (("bench.pdf", 64), ("missing/bench.svg", 2)):
        assert run(["bench", *map(str, arguments[:2]), "--picture", str(folder / name)]) == code
        assert len(capsys.readouterr().err.splitlines()) == 1
