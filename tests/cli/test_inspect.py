"""`onnx-ood inspect`."""

import json

import onnx
import pytest
from command import run

from onnx_ood import models

CNN = str(models.path("fashion_cnn"))


def test_inspect_shows_the_model():
    result = run("inspect", CNN, "-v")
    assert result.returncode == 0
    for words in ("sha256", "Suggested probes", "image", "logits", "Relu"):
        assert words in result.stdout
    assert json.loads(run("inspect", CNN, "--json", "-").stdout)["schema"] == "onnx-ood/inspect/1"


@pytest.mark.parametrize("words", [["--tensors", CNN], [CNN, "--tensors"], ["--tensors", "*", CNN]])
def test_all_tensors_are_listed(words: list[str]):
    names = [value for node in onnx.load(CNN).graph.node for value in node.output]
    done = run("inspect", *words, "--json", "-")
    assert done.returncode == 0, done.stderr
    listed = [one["name"] for one in json.loads(done.stdout)["matching"]]
    assert [name for name in listed if name in names] == names
    shown = run("inspect", *words, COLUMNS="100").stdout
    assert all(name in shown for name in names)
    assert "Suggested probes" not in shown


def test_tensors_are_listed_by_a_pattern():
    names = [value for node in onnx.load(CNN).graph.node for value in node.output if "relu" in value]
    done = run("inspect", CNN, "--tensors", "*relu*", "--json", "-")
    assert [one["name"] for one in json.loads(done.stdout)["matching"]] == names
    wrong = run("inspect", CNN, "--tensors", "relu")
    assert (wrong.returncode, wrong.stdout) == (64, "")
    assert "'*relu*' does: a pattern matches whole names" in wrong.stderr
    assert "'*' lists all" in run("inspect", CNN, "--tensors=nothing").stderr
