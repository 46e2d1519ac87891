"""The option --ood."""

import pytest
from onnx_ood.cli.sets import read_sets

from onnx_ood.exceptions import UsageError


def test_a_set_may_have_several_paths() -> None:
    assert read_sets(["a=x", "b=y=z", "a=w"]) == {"a": ["x", "w"], "b": ["y=z"]}


@pytest.mark.parametrize("text", ["folder", "=folder", "name=", "="])
def test_a_set_without_a_name_or_path_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not NAME=PATH"):
        read_sets(["a=x", text])
