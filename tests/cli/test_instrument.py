"""`onnx-ood instrument`."""

import json

import onnx
from command import run

from onnx_ood import models

CNN = str(models.path("fashion_cnn"))


def refused(result, code):
    """The line on standard error."""
    assert (result.returncode, result.stdout) == (code, "")
    (line,) = result.stderr.splitlines()
    return line


def test_instrument_writes_a_model_and_says_what_is_where(tmp_path):
    out = tmp_path / "out.onnx"
    result = run("instrument", CNN, "-o", out, "--probe", "op:Relu[0]", "--only-probes")
    assert (result.returncode, result.stderr) == (0, "")
    (relu,) = (value.name for value in onnx.load(out).graph.output)
    first, second = result.stdout.splitlines()
    assert first == f"{out}: 1 tensor at 1 output"
    assert second.split()[:2] == [relu, "float32"]


def test_instrument_fails_like_the_other_commands(tmp_path):
    out = tmp_path / "out.onnx"
    assert "matches no tensor" in refused(run("instrument", CNN, "-o", out, "--probe", "nope"), 64)
    assert "--probe" in refused(run("instrument", CNN, "-o", out), 64)
    assert "do not overwrite inputs" in refused(run("instrument", CNN, "-o", CNN, "--probe", "all"), 64)
    assert not out.exists()


def test_only_named_tensors_are_outputs_and_json_replaces_the_report(tmp_path):
    out = tmp_path / "out.onnx"
    assert run("instrument", CNN, "-o", out, "--probe", "op:Relu", "--quiet").stdout == ""
    names = [value.name for value in onnx.load(out).graph.output]
    own = [value.name for value in onnx.load(CNN).graph.output]
    assert names[: len(own)] == own
    assert len(names) > len(own)
    # A nudged tensor gets an input.
    done = run("instrument", CNN, "-o", out, "--site", "op:Relu[0]", "--json", "-")
    assert json.loads(done.stdout)["schema"].startswith("onnx-ood/instrument/")
    assert len(onnx.load(out).graph.input) == len(onnx.load(CNN).graph.input) + 1
