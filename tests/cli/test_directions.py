"""`onnx-ood bench --directions` and `onnx-ood score --advise` on a terminal."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jsonschema
import numpy as np
import pytest
from onnx_ood.cli.main import run as run_command
from PIL import Image

from onnx_ood import models

SCHEMAS = Path(__file__).parents[2] / "docs" / "schemas"


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("garments")
    images, _ = models.fashion_samples()
    for i, image in enumerate(images[:12]):
        Image.fromarray(np.asarray(image)).save(folder / f"{i:02}.png")
    return folder


class ProcessedIds(NamedTuple):
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., ProcessedIds]:
    """Runs a command on the bundled network of garments, as on a terminal without colours."""

    def command(name: str, *arguments: object, width: int = 80) -> ProcessedIds:
        monkeypatch.setenv("COLUMNS", str(width))
        monkeypatch.setenv("NO_COLOR", "1")
        code = run_command([name, str(models.path("fashion_cnn")), *map(str, arguments)])
        return ProcessedIds(code, *capsys.readouterr())

    return command


def test_the_report_reads_without_colour(
    run: Callable[..., ProcessedIds], good: Path, tmp_path: Path
) -> None:
    file = tmp_path / "directions.json"
    done = run("directions", "--id", good, "--scales", "0.05", "--json", file, "--ood", f"same={good}", "-v")
    assert done.returncode == 0
    result = json.loads(file.read_text())
    jsonschema.validate(result, json.loads((SCHEMAS / "directions.json").read_text()))
    assert result["scales"] == [0.05]
    assert max(map(len, done.stdout.splitlines())) <= 80
    lines: dict[str, list[str]] = {}
    for line in done.stdout.splitlines():
        # The table comes first; later parts of the report begin with the same names.
        lines.setdefault(line.split()[0] if line.strip() else "", line.split()[1:6])
    for one in result["sets"]:
        letters = []
        for layer in result["layers"]:
            said = {s["verdict"] for s in one["settings"] if s["layer"] == layer["name"]}
            if {"holds", "flips"} <= said:
                letters.append("x")
            elif "holds" in said:
                letters.append("H" if len(said) == 1 else "h")
            elif "flips" in said:
                letters.append("F" if len(said) == 1 else "f")
            else:
                letters.append(".")
        assert lines[one["name"]] == letters
    assert lines["same"] == ["."] * 5
    assert " ".join(result["conclusion"].split()) in " ".join(done.stdout.split())


def test_mistakes_are_one_line(run: Callable[..., ProcessedIds], good: Path) -> None:
    for arguments, expected in (
        (["--detectors", "msp"], "no such option --detectors"),
        (["--scales", "0.1,large"], "scales"),
        (["--probe", "op:Nothing"], "Nothing"),
    ):
        done = run("directions", "--id", good, *arguments)
        assert done.returncode == 64
        assert expected in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1


def test_too_few_inputs_end_with_3(run: Callable[..., ProcessedIds], good: Path) -> None:
    assert run("directions", "--id", good, "--limit", 5, "--scales", 0.05).returncode == 3


@pytest.mark.parametrize("width", [80, 160])
def test_advice_is_shown_and_in_the_json(
    run: Callable[..., ProcessedIds], good: Path, tmp_path: Path, width: int
) -> None:
    file = tmp_path / "score.json"
    done = run("score", good, "--advise", "--json", file, width=width)
    assert done.returncode == 0
    advice = json.loads(file.read_text())["advice"]
    assert {one["name"] for one in advice} == {f"/blocks/blocks.{i}/relu/Relu_output_0" for i in range(5)}
    assert f"Probes to watch: {sum(one['advised'] for one in advice)} of 5" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= width
    assert "most reliable" in done.stdout
