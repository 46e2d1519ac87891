"""Stored results to compare."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import onnx_ood
from onnx_ood import models


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scores of a model and of one with a damaged layer, on inputs most of which are the same; and other results."""
    root = tmp_path_factory.mktemp("results")
    images, _ = models.fashion_samples()
    rows = (images[:60, np.newaxis] / 255).astype(np.float32)
    rng = np.random.default_rng(0)
    np.save(root / "rows.npy", rows)
    np.save(root / "good.npy", (images[60:110, np.newaxis] / 255).astype(np.float32))
    np.save(root / "noise.npy", rng.random(rows.shape, np.float32))
    damaged = onnx.load(models.path("fashion_cnn"))
    kernels = [one for one in damaged.graph.initializer if len(one.dims) == 4]
    last = numpy_helper.to_array(kernels[-1])
    noisy = last + 2 * last.std() * rng.standard_normal(last.shape).astype(np.float32)
    kernels[-1].CopyFrom(numpy_helper.from_array(noisy.astype(np.float32), kernels[-1].name))
    onnx.save(damaged, root / "damaged.onnx")
    paths = [str(root / "rows.npy")]
    for name, model, inputs in (
        ("a", models.path("fashion_cnn"), paths),
        ("b", root / "damaged.onnx", [*paths, str(root / "noise.npy")]),
    ):
        settings = onnx_ood.ScoreSettings(detectors=("auto", "energy"), preprocess="unit", copies=4)
        result = onnx_ood.score(model, inputs, settings, reference=[str(root / "good.npy")])
        (root / f"{name}.json").write_text(result.model_dump_json(by_alias=True))
        bench = onnx_ood.bench(
            model,
            paths,
            {"noise": [str(root / "noise.npy")]},
            onnx_ood.BenchSettings(detectors=("energy", "gen"), synthetic_ood=False),
        )
        (root / f"bench-{name}.json").write_text(bench.model_dump_json(by_alias=True))
    return root


@pytest.fixture(scope="session")
def found(folder: Path) -> onnx_ood.DiffResult:
    return onnx_ood.diff(folder / "a.json", folder / "b.json")


@pytest.fixture(scope="session")
def sensitivities(folder: Path) -> Path:
    """Sensitivities of the good model, of both, and of the damaged one; and of the good one on one input."""
    rows = str(folder / "rows.npy")
    np.save(folder / "one.npy", np.load(folder / "rows.npy")[:1])
    good, damaged = models.path("fashion_cnn"), folder / "damaged.onnx"
    settings = onnx_ood.SensitivitySettings(directions=2, trajectories=2, tolerance=0.1, preprocess="unit")
    for name, paths, inputs in (
        ("good", [good], rows),
        ("both", [damaged, good], rows),
        ("bad", [damaged], rows),
        ("one", [good], str(folder / "one.npy")),
    ):
        result = onnx_ood.sensitivity(paths, [inputs], settings)
        (folder / f"sens-{name}.json").write_text(result.model_dump_json(by_alias=True))
    return folder
