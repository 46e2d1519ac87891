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


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """40 garments as references; 10 others, 3 pictures of noise and an input that fails."""
    folder = tmp_path_factory.mktemp("compared")
    garments = (models.fashion_samples()[0][:50, np.newaxis] / 255).astype(np.float32)
    noise = np.random.default_rng(0).random((3, 1, 28, 28), np.float32)
    nothing = np.full((1, 1, 28, 28), np.nan, np.float32)
    np.save(folder / "good.npy", garments[:40])
    np.save(folder / "new.npy", np.concatenate([garments[40:], noise, nothing]))
    return folder / "good.npy", folder / "new.npy"


@pytest.mark.parametrize(
    ("option", "code"),
    [
        ([], 0),
        (["--fail-on-flagged"], 1),
        (["--fail-on-flagged", "0"], 1),
        (["--fail-on-flagged", "0.1"], 1),
        (["--fail-on-flagged=0.9"], 0),
        (["--fail-on-flagged", "1"], 0),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_more_flagged_inputs_than_allowed_are_1(
    option: list[str], code: int, first: bool, compared: tuple[Path, Path]
) -> None:
    """In CI, standard error has one line with the numbers; the report is on standard output, as without the option."""
    good, new = compared
    words = [*option, new] if first else [new, *option]
    done = run("score", CNN, *words, "--reference", good, "--copies", 2, CI="true", GITHUB_ACTIONS="true")
    assert done.returncode == code, done.stderr
    assert "of 13 inputs flagged: unlike the 40 references" in done.stdout
    line = done.stderr.splitlines()[-1] if code else ""
    result = onnx_ood.score(CNN, new, reference=good, copies=2)
    assert result.flagged_share == result.flagged / 13
    assert result.flagged >= 3
    if code:
        assert line.startswith(f"onnx-ood: {result.flagged} of 13 inputs flagged")
        assert "; 1 input could not be scored" in line
    else:
        assert "flagged" not in done.stderr


def test_flags_that_nothing_can_get_are_not_evaluated(compared: tuple[Path, Path], tmp_path: Path) -> None:
    good, new = compared
    np.save(tmp_path / "few.npy", np.load(good)[:12])
    few = ["--reference", tmp_path / "few.npy", "--copies", 2, "--quiet"]
    done = run("score", CNN, new, *few, "--fail-on-flagged")
    assert done.returncode == 3
    assert "with 12 references; give at least 19, or raise --fpr" in done.stderr
    # Of these, half learn: 38 leave 19 to calibrate.
    done = run("score", CNN, new, *few, "--detectors", "mahalanobis", "--fail-on-flagged")
    assert done.returncode == 3
    assert "give at least 37, or raise --fpr" in done.stderr


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (["--fail-on-flagged"], "add --reference"),
        (["--fail-on-flagged", "1.5"], "from 0 to 1"),
        (["--fail-on-flagged=nan"], "from 0 to 1"),
        (["--fail-on-flagged=-1"], "from 0 to 1"),
    ],
)
def test_flags_to_fail_on_take_references_and_a_share(option: list[str], words: str, rows: Path) -> None:
    done = run("score", CNN, rows, *option)
    assert (done.returncode, done.stdout) == (64, "")
    assert words in done.stderr


def test_a_pattern_that_the_shell_expanded_is_explained(tmp_path: Path) -> None:
    """`--reference good/*.npy` without quotes: one reference, and the other files as inputs."""
    (tmp_path / "good").mkdir()
    images = (models.fashion_samples()[0][:3, np.newaxis] / 255).astype(np.float32)
    files = [tmp_path / "good" / f"{at}.npy" for at in range(3)]
    for path, image in zip(files, images, strict=True):
        np.save(path, image[np.newaxis])
    done = run("score", CNN, "--reference", *files, "--no-cache")
    assert done.returncode == 64
    assert "onnx-ood: 1 reference could be measured, expected at least 10" in done.stderr
    assert "quote the pattern, or repeat --reference" in done.stderr
    (tmp_path / "new.npy").write_bytes(files[1].read_bytes())
    done = run("score", CNN, tmp_path / "new.npy", "--reference", files[0], "--no-cache")
    assert "1 reference could be measured" in done.stderr
    assert "quote" not in done.stderr
