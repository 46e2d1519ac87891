"""Configuration files of bench, against the published schema and the settings."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from onnx_ood.audits.bench.config import BenchFile
from onnx_ood.audits.bench.settings import BenchSettings
from onnx_ood.inputs.toml_files import read_toml

SCHEMA = Path(__file__).parents[3] / "docs" / "schemas" / "bench-file.json"


def test_the_published_schema_takes_what_the_program_takes(tmp_path: Path) -> None:
    """And defaults are those of the settings."""
    schema = json.loads(SCHEMA.read_text())
    (tmp_path / "bench.toml").write_text(
        """
        model = "cnn.onnx"
        id = "garments"
        reference = ["known"]
        detectors = ["energy", "activity"]
        limit = 11
        seed = 3
        provider = "cpu"
        preprocess = "unit,L"
        synthetic-ood = false
        cache = "kept"
        batch-size = 4

        [ood]
        inverted = "odd"
        same = ["garments/0*.png", "garments/1*.png"]
        """
    )
    plan = read_toml(tmp_path / "bench.toml", BenchFile)
    jsonschema.validate(plan.model_dump(mode="json", by_alias=True), schema)
    jsonschema.validate({"id": "a", "ood": {"x": "b"}, "detectors": ["auto"]}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"batch_size": 1}, schema)
    assert BenchFile().settings(scores=False) == BenchSettings()
