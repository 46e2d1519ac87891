"""Paths that users give in Python."""

from __future__ import annotations

import pytest

import onnx_ood
from onnx_ood import models
from onnx_ood._paths import as_path
from onnx_ood.exceptions import InputTypeError, UsageError

CALLS = {
    "load": onnx_ood.load,
    "inspect": onnx_ood.inspect,
    "read_result": onnx_ood.read_result,
    "Auditor.load": onnx_ood.Auditor.load,
    "score": lambda path: onnx_ood.score(path, str(models.photos()[0])),
    "measure": lambda path: onnx_ood.measure(path, [[0.0]], probes="outputs", nudges=[[0.0]]),
}


@pytest.mark.parametrize("value", [3, None, b"model.onnx", ["model.onnx"], {"a": 1}, object()])
@pytest.mark.parametrize("call", CALLS)
def test_what_is_no_path_is_one_line(call, value):
    with pytest.raises(
        InputTypeError, match=f"expected a path( or Model| or None)?, found {type(value).__name__}"
    ) as error:
        CALLS[call](value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("value", "message"), [("", "empty path"), ("a\0b", "null character")])
@pytest.mark.parametrize("call", CALLS)
def test_paths_that_name_no_file_are_one_line(call, value, message):
    with pytest.raises(UsageError, match=message):
        CALLS[call](value)


def test_a_path_is_kept(tmp_path):
    assert as_path(tmp_path, "path") == as_path(str(tmp_path), "path") == tmp_path
