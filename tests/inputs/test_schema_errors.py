"""Messages of validation errors."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from onnx_ood.inputs.schema_errors import first_error


class Leaf(BaseModel):
    model_config = ConfigDict(extra="forbid", alias_generator=lambda name: name.replace("_", "-"))

    batch_size: int = 1
    leaf: int = 1


class Root(BaseModel):
    model_config = ConfigDict(extra="forbid")

    leaf: Leaf | None = None
    leaves: list[Leaf] = []
    by_name: Mapping[str, Leaf] = {}
    either: int | Mapping[str, int] = 0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"leavs": []}, "leavs: unknown key; did you mean 'leaves'?"),
        ({"xyz": 1}, "xyz: unknown key; choose from leaf, leaves, by_name, either"),
        ({"leaf": {"batch_size": 1}}, "leaf.batch_size: unknown key; did you mean 'batch-size'?"),
        (
            {"leaves": [{}, {"baatch-size": 1}]},
            "leaves.1.baatch-size: unknown key; did you mean 'batch-size'?",
        ),
        # A name chosen by the user is no key of the schema, even if it is spelled like one.
        ({"by_name": {"leaf": {"size": 1}}}, "by_name.leaf.size: unknown key; choose from batch-size, leaf"),
        (
            {"leaf": {"leaf": "x"}},
            "leaf.leaf: expected a whole number, found 'x'",
        ),
        ({"a\nb": 1}, r"a\nb: unknown key; choose from leaf, leaves, by_name, either"),
    ],
)
def test_the_first_error_names_key_and_advice(values, message):
    with pytest.raises(ValidationError) as raised:
        Root.model_validate(values)
    assert first_error(raised.value, Root) == message
