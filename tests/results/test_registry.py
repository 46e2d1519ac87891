"""Stored results read back by their schema."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import onnx_ood
from onnx_ood import models
from onnx_ood._audits import AUDITS
from onnx_ood.exceptions import UsageError
from onnx_ood.results.registry import audit_of, read_result, result_type, schema_of


def test_every_audit_has_a_result_class_with_a_schema_of_its_own() -> None:
    kinds = [result_type(audit) for audit in AUDITS]
    assert [schema_of(kind).split("/")[:2] for kind in kinds] == [["onnx-ood", audit] for audit in AUDITS]


def test_a_stored_result_is_read_as_it_was(tmp_path: Path) -> None:
    result = onnx_ood.inspect(models.path("fashion_cnn"))
    path = tmp_path / "result.json"
    result.to_json(path)
    assert read_result(path) == result
    assert audit_of(result) == "inspect"
    stored = json.loads(path.read_text())
    del stored["model"]
    path.write_text(json.dumps(stored))
    with pytest.raises(UsageError, match="does not follow onnx-ood/inspect/1 at model: missing"):
        read_result(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no json", "not a result of onnx-ood"),
        ("[1]", "not a result of onnx-ood"),
        ("{}", "not a result of onnx-ood"),
        ("[" * 100_000, "not a result of onnx-ood"),
        ('{"schema": "onnx-ood/score/0"}', "schema 'onnx-ood/score/0' is not one of this version"),
    ],
    ids=["text", "list", "empty", "deep", "old"],
)
def test_other_files_are_refused(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text(text)
    with pytest.raises(UsageError, match=message):
        read_result(tmp_path / "result.json")
    with pytest.raises(UsageError, match="cannot be read"):
        read_result(tmp_path / "missing.json")
