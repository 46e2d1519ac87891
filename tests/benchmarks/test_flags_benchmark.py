"""The benchmark of flags counts what `score` flags."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

import onnx_ood
from onnx_ood import models

SCRIPTS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def flags() -> Iterator[ModuleType]:
    sys.path.insert(0, str(SCRIPTS))  # It imports other scripts from there.
    import flags as module

    yield module
    sys.path.remove(str(SCRIPTS))


def test_of_each_draw_as_many_are_flagged_as_score_flags(
    flags: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, _ = models.fashion_samples()
    rng = np.random.default_rng(0)
    files = []
    for i, image in enumerate(images[:90]):
        # Some that are odd, so that there is something to flag.
        pixels = rng.integers(0, 256, image.shape, dtype=np.uint8) if i % 30 == 7 else image
        files.append(str(tmp_path / f"{i:03}.png"))
        Image.fromarray(pixels).save(files[-1])
    monkeypatch.setattr(flags, "DRAWS", 2)
    monkeypatch.setattr(flags, "FRESH", 50)
    path = models.path("fashion_cnn")
    found = flags.counts(path, "garments", files)
    draws = np.random.default_rng(0)
    for count in found:
        order = draws.permutation(90)[:82]
        names = [files[i] for i in order]
        settings = onnx_ood.ScoreSettings(detectors=("auto",), probes=("outputs",), copies=1)
        judged = onnx_ood.score(path, names[32:], settings, reference=names[:32])
        assert count == judged.flagged
    assert max(found) > 0
