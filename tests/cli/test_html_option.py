"""`--html`, as a shell sees it."""

import json

import numpy as np
import pytest
from command import run
from page_parts import find, parsed, text
from PIL import Image

from onnx_ood import models

CNN = str(models.path("fashion_cnn"))


@pytest.fixture(scope="module")
def garments(tmp_path_factory):
    path = tmp_path_factory.mktemp("inputs") / "garments.npy"
    images, _ = models.fashion_samples()
    np.save(path, (images[::10, np.newaxis] / 255).astype(np.float32))
    return path


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    images, _ = models.fashion_samples()
    for i, image in enumerate(images[::15]):
        Image.fromarray(image).save(folder / f"{i:02}.png")
    return folder


def stored(page):
    return json.loads(page.partition('type="application/json">')[2].partition("</script>")[0])


def test_score_writes_a_page_beside_its_report(garments, tmp_path):
    page, result = tmp_path / "report.html", tmp_path / "result.json"
    done = run("score", CNN, garments, "--html", page, "--json", result)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("20 inputs ranked")
    text = page.read_text(encoding="utf-8")
    assert stored(text) == json.loads(result.read_text())
    assert text.count('src="data:image/webp') >= 20


def test_thumbnails_can_be_left_out(garments, tmp_path):
    page = tmp_path / "report.html"
    assert run("score", CNN, garments, "--html", page, "--no-thumbnails", "--quiet").returncode == 0
    assert "data:image" not in page.read_text(encoding="utf-8").replace("img-src data:", "")


def test_too_little_has_a_page_and_its_exit_code(tmp_path):
    page = tmp_path / "report.html"
    (tmp_path / "empty.png").touch()
    done = run("score", CNN, tmp_path / "empty.png", "--html", page, "--quiet")
    assert done.returncode == 3
    assert "Not evaluated" in page.read_text(encoding="utf-8")


def test_bench_writes_a_page(garments, tmp_path):
    page = tmp_path / "report.html"
    done = run("bench", CNN, "--id", garments, "--detectors", "msp,energy", "--html", page, "--quiet")
    assert done.returncode == 0, done.stderr
    assert stored(page.read_text(encoding="utf-8"))["schema"] == "onnx-ood/bench/2"


def test_sensitivity_writes_a_page(garments, tmp_path):
    page = tmp_path / "report.html"
    done = run(
        "sensitivity", CNN, garments, "--directions", 2, "--trajectories", 0, "--html", page, "--quiet"
    )
    assert done.returncode == 0, done.stderr
    assert stored(page.read_text(encoding="utf-8"))["schema"] == "onnx-ood/sensitivity/2"


def test_a_page_that_cannot_be_written_is_found_out_first(garments, tmp_path):
    done = run("score", CNN, garments, "--html", tmp_path / "no" / "report.html")
    assert done.returncode == 2
    assert "cannot be written" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (
            "directions",
            ["directions", CNN, "--id", "PICTURES", "--scales", "0.05", "--limit", "10"],
        ),
        ("preprocess", ["preprocess", CNN, "PICTURES"]),
        ("plane", ["plane", CNN, "ROWS[0]", "ROWS[1]", "ROWS[2]", "--resolution", "16", "--directions", "2"]),
        ("inspect", ["inspect", CNN]),
        ("doctor", ["doctor"]),
    ],
)
def test_other_commands_write_pages_of_what_they_found(kind, words, garments, pictures, tmp_path):
    page, json_file = tmp_path / "page.html", tmp_path / "result.json"
    words = [word.replace("ROWS", str(garments)).replace("PICTURES", str(pictures)) for word in words]
    done = run(*words, "--html", page, "--json", json_file, "--quiet")
    assert done.returncode == 0, done.stderr
    result = json.loads(json_file.read_text())
    assert result["schema"].rpartition("/")[0] == f"onnx-ood/{kind}"
    assert stored(page.read_text(encoding="utf-8")) == result


def test_bench_draws_the_scores_of_its_detectors(pictures, tmp_path):
    page, result = tmp_path / "report.html", tmp_path / "result.json"
    done = run(
        "bench",
        CNN,
        "--id",
        pictures,
        "--detectors",
        "msp,energy",
        "--html",
        page,
        "--json",
        result,
        "--quiet",
    )
    assert done.returncode == 0, done.stderr
    tree = parsed(page.read_text(encoding="utf-8"))
    for detector in ("msp", "energy"):
        assert f"Scores of {detector}" in [text(one) for one in find(tree, "h3")]
    # One distribution for each set and detector.
    found = json.loads(result.read_text())
    assert len(find(tree, "svg", class_="distribution")) == 2 * len(found["sets"])
