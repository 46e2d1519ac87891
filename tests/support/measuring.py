"""Measurements on the CPU, and comparison of two."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

import onnx_ood
from onnx_ood import Measurement
from onnx_ood.runtime import Prober

Save = Callable[..., Path]
Feeds = Mapping[str, np.ndarray]


def measure(path: Path, batch: np.ndarray, nudges: np.ndarray, **settings: object) -> Measurement:
    return onnx_ood.measure(path, batch, nudges=nudges, **({"probes": "all", "provider": "cpu"} | settings))


def assert_same(one: Measurement, other: Measurement, rtol: float) -> None:
    assert one.probes == other.probes
    np.testing.assert_allclose(one.cosine_drop(), other.cosine_drop(), rtol=rtol)
    np.testing.assert_allclose(one.aa, other.aa, rtol=rtol)
    np.testing.assert_array_equal(one.size, other.size)
    np.testing.assert_array_equal(one.site_dd, other.site_dd)


def ready(path: Path, probes: str = "all", **settings: int) -> Prober:
    model = onnx_ood.load(path)
    return Prober(model, onnx_ood.select(model, probes), provider="cpu", **settings)
