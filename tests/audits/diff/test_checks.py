"""Differences between checks, from their JSON."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest

import onnx_ood
from onnx_ood import models
from onnx_ood.exceptions import UsageError


def _checked(root: Path, name: str, model: str, gates: list[str]) -> Path:
    tables = "".join(f"\n[[gates]]\n{gate}\n" for gate in gates)
    (root / "gates.toml").write_text(
        f"[models.net]\npath = '{model}'\ninputs = 'rows.npy'\nprovider = 'cpu'\npreprocess = 'unit'{tables}"
    )
    result = onnx_ood.check(root / "gates.toml")
    (root / name).write_text(result.model_dump_json(by_alias=True))
    return root / name


def test_gates_with_a_different_outcome_are_listed(folder: Path, schema) -> None:
    flips = 'metric = "flip-rate"\ntarget = "op:Relu[-1]"'
    shared = ['metric = "size"\nmin = 1', 'metric = "operators"\nforbid = "Loop"']
    a = _checked(
        folder,
        "check-a.json",
        str(models.path("fashion_cnn")),
        [*shared, f"{flips}\nmin = 0.001", 'metric = "opset"\nmin = 1'],
    )
    b = _checked(
        folder,
        "check-b.json",
        "damaged.onnx",
        [*shared, f"{flips}\nmin = 1", 'metric = "nan-weights"\nmax = 0'],
    )
    before, after = (
        {gate["title"]: gate for gate in json.loads(path.read_text())["gates"]} for path in (a, b)
    )
    title = "flip-rate of op:Relu[-1]"
    assert (before[title]["outcome"], after[title]["outcome"]) == ("passed", "failed")
    found = onnx_ood.diff(a, b)
    jsonschema.validate(json.loads(found.model_dump_json(by_alias=True)), schema("diff"))
    assert found.audit == "check"
    assert {(one.title, one.a, one.b) for one in found.gates} == {
        (title, "passed", "failed"),
        ("opset", "passed", None),
        ("nan-weights", None, "passed"),
    }
    assert next(one.reason for one in found.gates if one.title == title) == after[title]["reason"]
    names = {one.name: (one.a, one.b) for one in found.settings}
    assert names.pop(f"expected.{title}, net") == ("at least 0.001", "at least 1")
    assert all(name.startswith("models.net.") for name in names)
    assert "models.net.sha256" in names
    metrics = {one.name: one for one in found.metrics}
    assert metrics.keys() == {f"{title}, net", "size, net"}
    moved = metrics[f"{title}, net"]
    one, other = before[title], after[title]
    assert moved.change == pytest.approx(other["found"] - one["found"])
    # Zou and Donner's limits of a difference, from the intervals.
    down = np.sqrt((other["found"] - other["low"]) ** 2 + (one["high"] - one["found"]) ** 2)
    assert moved.low == pytest.approx(moved.change - down)
    up = np.sqrt((other["high"] - other["found"]) ** 2 + (one["found"] - one["low"]) ** 2)
    assert moved.high == pytest.approx(moved.change + up)
    # A size has no noise: one byte less is less.
    size = metrics["size, net"]
    assert size.beyond_noise == (after["size"]["found"] != before["size"]["found"])
    assert (size.low, size.high) == (size.change, size.change)
    same = onnx_ood.diff(a, a)
    assert (same.gates, same.settings) == ((), ())
    assert not any(one.beyond_noise for one in same.metrics)
    with pytest.raises(
        UsageError, match=r"check-a\.json \(onnx-ood/check/3\) with .*a\.json \(onnx-ood/score/3\)"
    ):
        onnx_ood.diff(a, folder / "a.json")
