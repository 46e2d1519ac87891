"""The benchmark of detectors: models without their heads, and tables."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import onnx
import onnxruntime
import pytest
from PIL import Image

from onnx_ood import models

SCRIPTS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def detectors() -> Iterator[ModuleType]:
    sys.path.insert(0, str(SCRIPTS))  # It imports another script from there.
    import detectors as module

    yield module
    sys.path.remove(str(SCRIPTS))


def test_a_model_without_its_head_gives_what_the_head_reads(detectors: ModuleType, tmp_path: Path) -> None:
    path = models.path("fashion_resnet")
    headless = detectors.cut(path, tmp_path)
    whole = onnx.load(path)
    gemm = next(node for node in whole.graph.node if node.op_type == "Gemm")
    stored = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in whole.graph.initializer}
    weight, bias = stored[gemm.input[1]], stored[gemm.input[2]]
    batch = np.random.default_rng(0).random((3, 1, 28, 28), dtype=np.float32)
    results = []
    for model in (path, headless):
        session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        (result,) = session.run(None, {session.get_inputs()[0].name: batch})
        results.append(result)
    np.testing.assert_allclose(results[1] @ weight.T + bias, results[0], rtol=1e-4, atol=1e-4)


def test_sets_are_written_as_the_pictures_they_hold(detectors: ModuleType, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    images = {name: rng.integers(0, 256, (4, 9, 9, 3), dtype=np.uint8) for name in ("id", "odd")}
    (tmp_path / "ood").mkdir()
    np.savez(tmp_path / "id.npz", images=images["id"])
    np.savez(tmp_path / "ood" / "odd.npz", images=images["odd"])
    with detectors.pictures(tmp_path) as sets:
        assert set(sets) == {"id", "odd"}
        for name, files in sets.items():
            read = np.stack([np.asarray(Image.open(file)) for file in files])
            np.testing.assert_array_equal(read, images[name])
    assert not Path(sets["odd"][0]).exists()


def test_tables_have_a_column_for_each_model(
    detectors: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    images, _ = models.fashion_samples()
    folder = tmp_path / "fashion"
    (folder / "ood").mkdir(parents=True)
    np.savez(folder / "id.npz", images=images[:60])
    np.savez(folder / "ood" / "turned.npz", images=images[:20, ::-1])
    (folder / "small.onnx").write_bytes(models.path("fashion_resnet").read_bytes())
    table = tmp_path / "table.md"
    monkeypatch.setattr(sys, "argv", ["detectors.py", str(tmp_path), "--markdown", str(table)])
    detectors.main()
    text = table.read_text()
    assert "### Without references\n" in text
    assert "With 32 references, models cut before their heads" in text
    means = [float(mean) for mean in re.findall(r"^\| `auto` \| (0\.\d+) \|$", text, re.MULTILINE)]
    # Without data and a head nothing can be said of garments.
    assert len(means) == 3
    assert min(means[1:]) > 0.85
