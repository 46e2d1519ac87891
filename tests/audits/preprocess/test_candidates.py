"""Candidate preprocessings against the parser of `--preprocess`."""

from __future__ import annotations

import numpy as np
import pytest

from onnx_ood.audits.preprocess.candidates import resize_candidates, value_candidates
from onnx_ood.inputs import parse


@pytest.mark.parametrize("shape", [("N", 3, 224, 224), ("N", 299, 299, 3), (1, 3, 32, 48), ("N", 1, 28, 28)])
def test_candidates_are_what_preprocess_takes(shape: tuple[int | str, ...]) -> None:
    values = value_candidates(shape)
    assert len({one.spec for one in values}) == len(values) == (7 if 1 in shape[1:] else 12)
    for one in (*values, *resize_candidates(values[0], shape)):
        assert parse(one.spec, shape) == one.preprocessing
    assert values[0].preprocessing.resize in {
        one.preprocessing.resize for one in resize_candidates(values[0], shape)
    }


def test_caffe_is_bytes_less_a_mean_in_the_order_of_channels() -> None:
    byte = np.array([10.0, 20.0, 30.0]) / 255
    for order, mean in (("RGB", (123.68, 116.779, 103.939)), ("BGR", (103.939, 116.779, 123.68))):
        words = next(
            one.spec
            for one in value_candidates(("N", 3, 8, 8))
            if one.name == f"0 to 255 - Caffe mean, {order}"
        )
        tensor = parse(words, ("N", 3, 8, 8)).normalise(byte.reshape(3, 1, 1)).ravel()
        np.testing.assert_allclose(tensor, np.array([10.0, 20.0, 30.0]) - mean, atol=1e-3)
