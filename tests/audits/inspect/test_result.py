"""Activations of a model as a table."""

from __future__ import annotations

import onnx_ood
from onnx_ood import models


def test_the_table_has_every_activation_and_marks_suggested_probes() -> None:
    result = onnx_ood.inspect(models.path("fashion_cnn"))
    frame = result.to_dataframe().set_index("name")
    assert list(frame.index) == [one.name for one in result.activations]
    suggested = [one.tensor.name for one in result.suggested_probes]
    assert frame.index[frame["suggested"]].tolist() == suggested
    assert frame["op"].tolist() == [one.op for one in result.activations]
