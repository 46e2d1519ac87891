"""`onnx-ood score`: what is listed, printed and refused; detection itself is tested in its room."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from command import run

import onnx_ood
from onnx_ood import models

CNN = str(models.path("fashion_cnn"))


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("score") / "rows.npy"
    np.save(path, (models.fashion_samples()[0][:12, np.newaxis] / 255).astype(np.float32))
    return path


@pytest.mark.parametrize("top", [5, 501, 700])
def test_a_streamed_run_lists_all_that_is_shown(
    top: int, rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many unusual inputs as usual ones; a result of a streamed run lists at least 1000."""
    limits = []
    real = onnx_ood.score

    def counted(*arguments, streaming, **options):
        limits.append(streaming.most_listed)
        return real(*arguments, streaming=streaming, **options)

    monkeypatch.setattr(onnx_ood, "score", counted)
    done = run("score", CNN, rows, "--jsonl", tmp_path / "s.jsonl", "--top", top, "--copies", 2, "--quiet")
    assert (done.returncode, done.stdout) == (0, "")
    assert limits == [max(1000, top + top)]


@pytest.mark.parametrize(
    ("options", "printed"),
    [([], "report"), (["--quiet"], ""), (["--json", "-"], "json"), (["--json", "-", "--quiet"], "json")],
)
def test_one_thing_is_printed(options: list[str], printed: str, rows: Path) -> None:
    done = run("score", CNN, rows, "--copies", 2, *options)
    assert done.returncode == 0, done.stderr
    if printed == "json":
        assert json.loads(done.stdout)["schema"].startswith("onnx-ood/score/")
    else:
        assert bool(done.stdout) is (printed == "report")
        assert "{" not in done.stdout


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--resume"], "--resume"),
        (["--csv", "a.csv", "--jsonl", "a.jsonl"], "--csv"),
        (["--csv", "a.csv", "--parquet", "a.parquet"], "--csv"),
    ],
)
def test_options_that_contradict_each_other_are_refused(
    options: list[str], words: str, rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("score", CNN, rows, *options)
    assert (done.returncode, done.stdout) == (64, "")
    assert words in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_nothing_evaluated_is_3_and_names_the_first_failure(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.full((3, 1, 28, 28), np.nan, np.float32))
    done = run("score", CNN, tmp_path / "x.npy", "--quiet")
    assert done.returncode == 3
    assert "0 of 3 inputs" in done.stderr
    assert "x.npy[0]" in done.stderr
