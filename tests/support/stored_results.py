"""Stored results as plain data."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import onnx_ood
from onnx_ood import models
from onnx_ood.audits.demo.result import AlterationResult, Area
from onnx_ood.results.base import Result


def read_json(folder: Path, name: str) -> dict:
    """Reads a stored result."""
    return json.loads((folder / f"{name}.json").read_text())


def estimates(folder: Path, name: str, path: Path) -> dict[str, dict]:
    """Estimates of one model by the names that differences have."""
    (model,) = [
        one for one in read_json(folder, f"sens-{name}")["models"] if one["model"]["path"] == path.as_posix()
    ]
    types = {
        f"transitions, {one['type'].replace('_', ' ')}": one["density"] for one in model["trajectory_types"]
    }
    return {"Jacobian norm": model["jacobian"]["norm"], **types}


STORED = Path(__file__).parents[1] / "results" / "stored"
"""Results of every audit, which `python tests/support/stored_results.py` writes again."""


def store_all(folder: Path) -> None:
    """Runs every audit on a small model and stores its result, without paths of this machine."""
    model = models.path("fashion_cnn")
    images, _ = models.fashion_samples()
    rows = (images[:14, np.newaxis] / 255).astype(np.float32)
    noise = np.random.default_rng(0).integers(0, 256, (12, 28, 28)).astype(np.uint8)
    runs = {"preprocess": "unit", "provider": "cpu"}
    np.save(folder / "rows.npy", rows)
    gates = '[[gates]]\nmetric = "parameters"\nmax = 1\n[[gates]]\nmetric = "operators"\nforbid = ["Relu"]\n'
    (folder / "gates.toml").write_text(f'[models.cnn]\npath = "{model}"\ninputs = "rows.npy"\n{gates}')
    instrumented = onnx_ood.instrument(model, probes="op:Relu", sites="op:Conv[0]")
    area = Area(value=0.7, low=0.6, high=0.8)
    alteration = AlterationResult(
        kind="noise", drop_ratio=1.5, rotated_less=3, published=area, two_sided=area, auto=area, confidence=area,
        same_answer=0.5,
    )  # fmt: skip
    score = onnx_ood.score(
        model, rows, reference=(images[60:75, np.newaxis] / 255).astype(np.float32), detectors="auto,energy",
        probes="op:Relu[:2]", advise=True, adaptive=True, copies=8, **runs,
    )  # fmt: skip
    bench = onnx_ood.bench(
        model, images[:12], {"noise": noise}, reference=images[60:75], detectors="msp,energy", synthetic_ood=False,
        corruptions="contrast", scores=True, **runs,
    )  # fmt: skip
    results: dict[str, Result] = {
        "score": score,
        "score-deviation": onnx_ood.score(model, rows[:5], detectors="deviation", probes="op:Relu[:2]", **runs),
        "score-once": onnx_ood.score(
            model, rows, reference=(images[60:75, np.newaxis] / 255).astype(np.float32), **runs
        ),
        "bench": bench,
        "sensitivity": onnx_ood.sensitivity(
            [model], rows[:3], directions=2, trajectories=1, tolerance=0.1, exact_regions=True, **runs
        ),
        "directions": onnx_ood.directions(
            model, images[:12], {"noise": noise}, probes="op:Relu[:2]", synthetic_ood=False, scales=1, **runs
        ),
        "check": onnx_ood.check(folder / "gates.toml"),
        "preprocess": onnx_ood.preprocess(model, images[:12], provider="cpu"),
        "plane": onnx_ood.plane(model, rows[:3], resolution=8, units=3, directions=2, **runs),
        "inspect": onnx_ood.inspect(model),
        "instrument": onnx_ood.InstrumentResult.of(instrumented, folder / "watched.onnx"),
        "diff": onnx_ood.diff(score, score.model_copy(update={"scored": 13})),
        "doctor": onnx_ood.doctor(),
        "demo": onnx_ood.DemoResult(
            model="m.onnx", photos=5, probes=("a",), copies=4, scale=0.02, alterations=(alteration,), provider="cpu",
            provider_note="", placement={"CPU": 3}, fallback_nodes=(), answers={"cat.jpg": "tabby"},
        ),
    }  # fmt: skip
    for name, result in results.items():
        result.to_json(path := STORED / f"{name}.json")
        text = path.read_text()
        for machine in (model.parent, folder):
            text = text.replace(f"{machine.as_posix()}/", "")
        path.write_text(text.rstrip() + "\n")


if __name__ == "__main__":
    with TemporaryDirectory() as scratch:
        store_all(Path(scratch))
