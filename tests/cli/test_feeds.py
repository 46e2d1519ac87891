"""The option --feed."""

import pytest
from onnx_ood.cli.feeds import read_feeds

from onnx_ood.exceptions import UsageError


def test_values_may_have_equals_signs() -> None:
    assert read_feeds(["a=1", "b=x=y"]) == {"a": "1", "b": "x=y"}
    assert read_feeds([]) == {}


@pytest.mark.parametrize("text", ["a", "=1", "a=", "=", ""])
def test_other_forms_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not of the form NAME=VALUE"):
        read_feeds(["ok=1", text])


def test_a_name_has_one_value() -> None:
    with pytest.raises(UsageError, match="--feed a=2: a already has the value 1"):
        read_feeds(["a=1", "a=2"])
