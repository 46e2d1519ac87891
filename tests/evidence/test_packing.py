"""Features survive being flattened to arrays, bit by bit."""

from __future__ import annotations

from dataclasses import fields
from io import BytesIO

import numpy as np
import pytest

from onnx_ood import models
from onnx_ood.detectors import AlteredReferences, Features
from onnx_ood.evidence.packing import pack, unpack
from onnx_ood.evidence.reader import FeatureReader
from onnx_ood.graph import load
from onnx_ood.runtime import ChannelStatistics


def _same(one, other) -> bool:
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, Features | ChannelStatistics | AlteredReferences):
        return all(_same(getattr(one, field.name), getattr(other, field.name)) for field in fields(one))
    if one is None or other is None:
        return one is other
    return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=True)


@pytest.fixture(scope="module")
def features() -> Features:
    needs = ("logits", "features", "activity", "norms", "pooled", "pairs", "jacobian")
    reader = FeatureReader(load(models.path("fashion_cnn")), needs, provider="cpu")
    images = models.fashion_samples()[0][:4]
    found = reader.read((np.asarray(images)[:, np.newaxis] / 255).astype(np.float32))
    altered = AlteredReferences(found.rows([3, 1]), np.array([3, 1]))
    return Features(
        **{
            **{field.name: getattr(found, field.name) for field in fields(found)},
            "altered": (altered, altered),
        }
    )


def test_features_are_restored_bit_by_bit(features):
    file = BytesIO()
    np.savez(file, **pack(features, "reference"))
    file.seek(0)
    with np.load(file, allow_pickle=False) as arrays:
        restored = unpack(arrays, "reference")
    assert isinstance(restored, Features)
    assert _same(features, restored)


def test_more_than_ten_layers_keep_their_order():
    values = tuple(np.full(3, number) for number in range(12))
    restored = unpack(pack(values, "layers"), "layers")
    assert [int(one[0]) for one in restored] == list(range(12))


def test_nothing_is_none():
    assert pack(None, "drops") == {}
    assert unpack({}, "drops") is None
