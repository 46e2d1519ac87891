"""A bundled model that onnxruntime's own tool has quantised, in both of its formats, watched everywhere."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from checking import each_node_agrees_with_the_reference, measured_like_numpy, watch_everywhere
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static

import onnx_ood
from onnx_ood import models

pytestmark = pytest.mark.real
each_format = pytest.mark.parametrize("kind", ["QDQ", "QOperator"])


def garments(count: int) -> np.ndarray:
    return models.fashion_samples()[0][:count, np.newaxis].astype(np.float32) / 255


class Calibration(CalibrationDataReader):
    def __init__(self) -> None:
        self.feeds = iter([{"image": garments(40)}])

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self.feeds, None)


@pytest.fixture(scope="module")
def quantised(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("quantised")
    plain = str(models.path("fashion_cnn"))
    for kind in (QuantFormat.QDQ, QuantFormat.QOperator):
        quantize_static(plain, str(folder / f"{kind.name}.onnx"), Calibration(), quant_format=kind)
    return {kind: folder / f"{kind}.onnx" for kind in ("QDQ", "QOperator")}


@each_format
def test_every_tensor_comes_back_and_nothing_moves(kind: str, quantised, tmp_path: Path, report) -> None:
    figures = watch_everywhere(quantised[kind], {"image": garments(5)}, tmp_path)
    runtime = "onnxruntime-gpu" if _installed("onnxruntime-gpu") else "onnxruntime"
    report(f"fashion_cnn ({kind})", f"bundled, {runtime} {metadata.version(runtime)}", "Apache-2.0", figures)
    assert figures.bit_equal
    assert not figures.beyond


def _installed(package: str) -> bool:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True


def test_what_comes_back_is_what_the_reference_computes(quantised) -> None:
    """Integers exactly. The other format has operators of the runtime's own, which nobody else computes."""
    path = quantised["QDQ"]
    compared = each_node_agrees_with_the_reference(path, {"image": garments(5)})
    assert compared > len(onnx_ood.instrument(path, probes="all").outputs)


@each_format
def test_what_is_measured_is_what_numpy_says(kind: str, quantised) -> None:
    # Large enough to move values by whole quantisation steps.
    feeds = {"image": garments(3)}
    assert measured_like_numpy(quantised[kind], feeds, batch="image", site="image", relative=0.05) > 0
