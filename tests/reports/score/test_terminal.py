"""What a score with a verdict looks like on terminals of several widths."""

from __future__ import annotations

from io import BytesIO, TextIOWrapper

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

import onnx_ood
from onnx_ood import models
from onnx_ood.reports.score.terminal import print_score


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> onnx_ood.ScoreResult:
    """Garments and noise, judged by references."""
    root = tmp_path_factory.mktemp("terminal")
    images, _ = models.fashion_samples()
    noise = np.random.default_rng(0).integers(0, 256, (3, 28, 28), np.uint8)
    for name, pictures in {"good": images[:40], "new": [*images[40:50], *noise]}.items():
        (root / name).mkdir()
        for i, picture in enumerate(pictures):
            Image.fromarray(picture).save(root / name / f"{i:02}.png")
    settings = onnx_ood.ScoreSettings(detectors=("auto", "energy"))
    return onnx_ood.score(
        models.path("fashion_cnn"), [str(root / "new")], settings, reference=[str(root / "good")]
    )


def shown(result: onnx_ood.ScoreResult, width: int, encoding: str = "utf-8") -> list[str]:
    raw = BytesIO()
    console = Console(
        file=TextIOWrapper(raw, encoding=encoding, errors="replace"), width=width, emoji=False, markup=False
    )
    print_score(console, result, top=20)
    console.file.flush()
    return raw.getvalue().decode(encoding).splitlines()


@pytest.mark.parametrize("width", [60, 80, 100, 120, 160])
def test_score_and_p_value_are_there_at_any_width_and_nothing_is_cut(
    result: onnx_ood.ScoreResult, width: int
) -> None:
    lines = shown(result, width)
    assert max(map(len, lines)) <= width
    (at,) = (i for i, line in enumerate(lines) if line.startswith("Strangest inputs"))
    assert {"#", "input", "auto", "p"} <= set(lines[at + 1].split())
    rows = [line.split() for line in lines[at + 3 : at + 3 + len(result.inputs)]]
    for row, entry in zip(rows, result.inputs, strict=True):
        assert row[0] == str(entry.rank)
        assert f"{entry.scores[0]:.2f}" in row
        assert f"{entry.p_value:.3f}" in row
        assert ("✗" in row) == entry.flagged


def test_all_detectors_are_there_where_there_is_room(result: onnx_ood.ScoreResult) -> None:
    head = next(line for line in shown(result, 180) if line.lstrip().startswith("#"))
    assert {"auto", "energy", "turned"} <= set(head.split())


def test_the_head_says_what_judged_and_how_many_are_flagged(result: onnx_ood.ScoreResult) -> None:
    flagged = sum(bool(entry.flagged) for entry in result.inputs)
    assert flagged >= 3
    text = " ".join(" ".join(shown(result, 100)).split())
    assert f"auto, energy against 40 known-good inputs; {flagged} of 13 flagged (p <= 0.05)" in text


def test_terminals_without_unicode_get_marks_they_can_show(result: onnx_ood.ScoreResult) -> None:
    rows = [line for line in shown(result, 120, "ascii") if " 0.024 " in line]
    assert len(rows) == sum(entry.p_value == pytest.approx(1 / 41) for entry in result.inputs)
    assert all(" 0.024 !! " in row for row in rows)
