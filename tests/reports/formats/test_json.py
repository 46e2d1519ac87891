"""JSON text against the published schema and the standard library's parser."""

from __future__ import annotations

import json

import jsonschema

import onnx_ood
from onnx_ood.reports.formats.json import to_json


def test_a_result_follows_its_schema_and_holds_no_nan(benchmark_result: onnx_ood.BenchResult) -> None:
    def refuse(name: str) -> None:
        raise AssertionError(name)

    found = json.loads(to_json(benchmark_result), parse_constant=refuse)
    jsonschema.validate(found, onnx_ood.BenchResult.model_json_schema(mode="serialization"))
    assert [one["macro"]["value"] for one in found["detectors"]] == [
        one.macro.value for one in benchmark_result.detectors
    ]
