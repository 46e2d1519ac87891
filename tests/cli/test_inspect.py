"""`onnx-ood inspect`."""

import json

from command import run

from onnx_ood import models

CNN = str(models.path("fashion_cnn"))


def test_inspect_shows_the_model():
    result = run("inspect", CNN, "-v")
    assert result.returncode == 0
    for words in ("sha256", "Suggested probes", "image", "logits", "Relu"):
        assert words in result.stdout
    assert json.loads(run("inspect", CNN, "--json", "-").stdout)["schema"] == "onnx-ood/inspect/1"
