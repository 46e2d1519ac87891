"""Escaping of untrusted texts in results."""

from __future__ import annotations

import csv
import io
import json
from unicodedata import category

import numpy as np
import onnx
import pytest
from command import messages, run

import onnx_ood
from onnx_ood import models
from onnx_ood.reports.escaping import cell, escaped

ESC, CLEAR = "\x1b[31mRED\x1b]0;title\x07", "\x9b2J\u202etxt\x00"
NODE = "a\n::error::injected"


@pytest.fixture
def hostile(tmp_path):
    """A model whose names drive a terminal and a CI runner, and inputs with such a name."""
    model = onnx.load(models.path("fashion_cnn"))
    fresh = {}
    for number, node in enumerate(model.graph.node):
        for place, name in enumerate(node.output):
            if name not in {one.name for one in model.graph.output}:
                fresh[name] = f"{(ESC, CLEAR, NODE)[number % 3]}{number}"
                node.output[place] = fresh[name]
        for place, name in enumerate(node.input):
            node.input[place] = fresh.get(name, name)
    model.producer_name = ESC + NODE
    path = tmp_path / "m.onnx"
    onnx.save(model, path)
    name = tmp_path / "=1+1\n::error::x\x1b[31m.npy"
    np.save(name, np.random.default_rng(0).random((12, 1, 28, 28), dtype="f4"))
    return path, name


def unsafe(text):
    return [c for c in text if category(c) in {"Cc", "Cf", "Cs"} and c != "\n"] + [
        line for line in text.splitlines() if line.strip().startswith("::")
    ]


@pytest.mark.parametrize(
    "words",
    [
        ["inspect", "MODEL", "-v"],
        ["inspect", "MODEL", "--json", "-"],
        ["score", "MODEL", "INPUT", "--detectors", "energy", "-v", "--csv", "out.csv"],
        ["score", "MODEL", "INPUT", "--probe", "\x1b[2J"],
        ["instrument", "MODEL", "--probe", "all", "--out", "out.onnx"],
        ["sensitivity", "MODEL", "INPUT[0]", "--directions", "2", "--trajectories", "0"],
        ["\x1b[2J\n::error::command"],
        ["score", "MODEL", "missing\x1b[2J\n::error::"],
    ],
    ids=" ".join,
)
def test_names_neither_drive_a_terminal_nor_a_runner(words, hostile, tmp_path):
    model, inputs = hostile
    words = [word.replace("MODEL", str(model)).replace("INPUT", str(inputs)) for word in words]
    done = run(*words, folder=tmp_path)
    assert done.returncode in {0, 64}
    assert not unsafe(done.stdout)
    assert not unsafe(done.stderr)
    assert done.stdout or done.stderr
    if "-" in words:
        assert ESC in json.loads(done.stdout)["model"]["producer"]


def test_tables_hold_no_formulas(hostile, tmp_path, monkeypatch):
    model, inputs = hostile
    monkeypatch.chdir(tmp_path)
    done = run("score", model, inputs.name, "--detectors", "energy", "--csv", "out.csv", "-q")
    assert done.returncode == 0, done.stderr
    rows = list(csv.reader(io.StringIO((tmp_path / "out.csv").read_text())))
    assert rows[1][0].startswith("'=1+1\\n::error")
    number = 0
    for row in rows:
        for one in row:
            assert not unsafe(one)
            if one.startswith(("=", "+", "@")):
                raise AssertionError(one)
            if one.startswith("-"):
                number += float(one) < 0
    assert number  # negative numbers stay numbers


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", "\tx", "\rx"])
def test_cells_that_spreadsheets_compute_are_quoted(text):
    assert str(cell(text)).startswith("'")
    assert cell(-1.5) == -1.5
    assert cell("a=1") == "a=1"


def test_results_without_such_texts_are_the_same_object():
    result = onnx_ood.inspect(models.path("fashion_cnn"))
    assert escaped(result) is result
    changed = escaped(result.model_copy(update={"outputs": result.outputs, "path": "a\x1b"}))
    assert changed == result.model_copy(update={"path": "a\\x1b"})


def test_paths_that_are_not_utf_8_are_stored_escaped(tmp_path):
    name = tmp_path / "m\udcff.onnx"
    try:
        name.write_bytes(models.path("fashion_cnn").read_bytes())
    except OSError:
        pytest.skip("this file system has names in UTF-8 only")
    for option in ("--json", "--html"):
        done = run("inspect", name, option, "r", folder=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
    assert "m\\udcff.onnx" in (tmp_path / "r").read_text(encoding="utf-8")
    np.save(tmp_path / "x.npy", np.random.default_rng(0).random((12, 1, 28, 28), dtype="f4"))
    done = run(
        "score", name, "x.npy", "--detectors", "energy", "--jsonl", "s", "--json", "-", folder=tmp_path
    )
    assert (done.returncode, messages(done)) == (0, "")
    assert json.loads(done.stdout)["model"]["path"].endswith("m\\udcff.onnx")


def test_json_is_printed_whatever_the_encoding(tmp_path):
    (tmp_path / "größe.onnx").write_bytes(models.path("fashion_cnn").read_bytes())
    done = run("inspect", "größe.onnx", "--json", "-", folder=tmp_path, PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.isascii()
    assert "gr\\u00f6\\u00dfe.onnx" in done.stdout
