"""Results of sensitivity: trajectories of each type."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError
from stored_results import STORED

import onnx_ood

RESULT = json.loads((STORED / "sensitivity.json").read_text())


MODEL = RESULT["models"][0]


@pytest.mark.parametrize("type_", ["translations", "random"])
def test_each_type_has_trajectories(type_):
    found = onnx_ood.SensitivityResult.model_validate(RESULT)
    assert type_ in {one.type for one in found.models[0].trajectory_types}
    left = [one for one in MODEL["trajectories"] if one["type"] != type_]
    with pytest.raises(ValidationError, match=f"no trajectory of type {type_}"):
        onnx_ood.SensitivityResult.model_validate({**RESULT, "models": [{**MODEL, "trajectories": left}]})


def test_profiles_have_equal_parts():
    first, *others = MODEL["trajectories"]
    short = {**first, "profile": first["profile"][:-1]}
    with pytest.raises(ValidationError, match="entries for 39 parts"):
        onnx_ood.SensitivityResult.model_validate(
            {**RESULT, "models": [{**MODEL, "trajectories": [short, *others]}]}
        )


def test_the_table_has_a_row_per_model_and_input():
    frame = onnx_ood.SensitivityResult.model_validate(RESULT).to_dataframe()
    expected = [(model["model"]["path"], one["id"]) for model in RESULT["models"] for one in model["inputs"]]
    assert list(zip(frame["model"], frame["id"], strict=True)) == expected
    assert frame["jacobian"].tolist() == [
        one["jacobian"] for model in RESULT["models"] for one in model["inputs"]
    ]
