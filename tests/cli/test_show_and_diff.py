"""Stored results as a shell sees them again."""

import json

import html5lib
import numpy as np
import pytest
from command import run

from onnx_ood import models

CNN = str(models.path("fashion_cnn"))


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    images, _ = models.fashion_samples()
    path = tmp_path_factory.mktemp("stored") / "rows.npy"
    np.save(path, (images[:40, np.newaxis] / 255).astype(np.float32))
    return path


@pytest.mark.parametrize(
    "command",
    [
        ("score", CNN, "ROWS"),
        ("inspect", CNN),
        ("sensitivity", CNN, "ROWS", "--directions", "2", "--trajectories", "0"),
        ("check", "CHECK"),
        ("bench", CNN, "--id", "ROWS", "--ood", "odd=ROWS", "--detectors", "msp", "--no-synthetic-ood"),
    ],
    ids=lambda command: command[0],
)
def test_a_stored_result_is_shown_as_it_was(command, rows, tmp_path):
    gates = tmp_path / "onnx-ood.toml"
    gates.write_text(f'[models.cnn]\npath = "{CNN}"\n[[gates]]\nmetric = "opset"\nmin = 1\n')
    words = [word.replace("ROWS", str(rows)).replace("CHECK", str(gates)) for word in command]
    stored = tmp_path / "result.json"
    if command[0] == "inspect":
        printed, text = run(*words), run(*words, "--json", "-").stdout
        stored.write_text(text)
    else:
        printed = run(*words, "--json", stored)
    shown = run("show", stored)
    assert (printed.returncode, shown.returncode, shown.stderr) == (0, 0, "")
    assert shown.stdout == printed.stdout
    assert shown.stdout.strip()
    made = run("show", stored, "--html", tmp_path / "page.html")
    assert (made.returncode, made.stdout, made.stderr) == (0, "", "")
    tree = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(
        (tmp_path / "page.html").read_text()
    )
    (island,) = tree.iterfind(".//script[@id='result']")
    assert json.loads(island.text)["schema"] == json.loads(stored.read_text())["schema"]
    if command[0] == "inspect":
        (report,) = tree.iterfind(".//pre")
        assert "fashion_cnn.onnx" in "".join(report.itertext())


def test_two_results_are_compared(rows, tmp_path):
    for name, scale in (("a", "0.02"), ("b", "0.04")):
        assert (
            run("score", CNN, rows, "--copies", "4", "--scale", scale, "--json", tmp_path / name).returncode
            == 0
        )
    shown = run("diff", tmp_path / "a", tmp_path / "b")
    assert shown.returncode == 0
    assert "nudges.scale" in shown.stdout
    page = tmp_path / "page.html"
    assert run("diff", tmp_path / "a", tmp_path / "b", "--html", page).stdout == shown.stdout
    tree = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(page.read_text())
    assert "nudges.scale" in "".join(tree.find(".//pre").itertext())
    printed = run("diff", tmp_path / "a", tmp_path / "b", "--json", "-")
    data = json.loads(printed.stdout)
    assert data["settings"] == [{"name": "nudges.scale", "a": "0.02", "b": "0.04"}]
    # Twice the nudge: about four times the drop, since an angle grows with the nudge, and a drop with its square.
    changes = [one["change"] for one in data["metrics"] if one["name"].startswith("drop")]
    assert all(0.3 < change < 0.7 for change in changes)


def test_two_checks_are_compared(tmp_path):
    gates = tmp_path / "onnx-ood.toml"
    for name, least in (("a", 1), ("b", 99)):
        gates.write_text(f'[models.cnn]\npath = "{CNN}"\n[[gates]]\nmetric = "opset"\nmin = {least}\n')
        run("check", gates, "--quiet", "--json", tmp_path / name)
    shown = run("diff", tmp_path / "a", tmp_path / "b", "--html", tmp_path / "page.html")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "1 gate with a different outcome" in shown.stdout
    (row,) = [line for line in shown.stdout.splitlines() if line.startswith("opset ")]
    assert row.split()[1:4] == ["cnn", "passed", "failed"]
    assert row.endswith("17 is below 99")
    page = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(
        (tmp_path / "page.html").read_text()
    )
    (report,) = page.iterfind(".//pre")
    assert "17 is below 99" in "".join(report.itertext())


def test_a_file_that_is_no_result_is_a_mistake_of_the_user(rows):
    result = run("show", rows)
    assert result.returncode == 64
    (line,) = result.stderr.splitlines()
    assert "not a result of onnx-ood" in line
