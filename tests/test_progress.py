"""Phases of audits: names, totals, and nothing that looks frozen or unknown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import onnx_ood
from onnx_ood import models
from onnx_ood._progress import Phase, prefixed

CNN = models.path("fashion_cnn")
Steps = list[tuple[str, int, int | None]]


def test_a_phase_is_reported_from_its_start_and_never_passes_its_total() -> None:
    seen: Steps = []
    phase = Phase(lambda *step: seen.append(step), "inputs", 3)
    for _ in range(3):
        phase.advance(1 / 3)
    phase.reach(2)
    phase.advance(5)
    assert seen[0] == ("inputs", 0, 3)
    assert [done for _, done, _ in seen] == [0, 0, 0, 1, 2, 3]
    Phase(None, "inputs", 3).advance()


def test_a_phase_without_a_total_counts() -> None:
    seen: Steps = []
    Phase(lambda *step: seen.append(step), "fitting auto").advance(2)
    assert seen == [("fitting auto", 0, None), ("fitting auto", 2, None)]


def test_a_prefix_names_the_model() -> None:
    seen: Steps = []
    Phase(prefixed(lambda *step: seen.append(step), "cnn: "), "inputs", 1)
    assert seen == [("cnn: inputs", 0, 1)]
    assert prefixed(None, "cnn: ") is None


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 references, 5 inputs and one that cannot be read."""
    root = tmp_path_factory.mktemp("progress")
    for i, picture in enumerate(models.fashion_samples()[0][:17]):
        name = root / ("good" if i < 12 else "new") / f"{i:02}.png"
        name.parent.mkdir(exist_ok=True)
        Image.fromarray(picture).save(name)
    (root / "new" / "broken.png").write_bytes(b"")
    return root


def checked(seen: Steps) -> dict[str, tuple[int, int | None]]:
    """The last step of each phase; every phase begins at 0, does not go back and keeps its total."""
    phases: dict[str, tuple[int, int | None]] = {}
    for name, done, total in seen:
        before = phases.get(name)
        assert before is not None or done == 0
        if before is not None:
            assert before[0] <= done
            assert before[1] == total
        assert total is None or done <= total
        phases[name] = (done, total)
    return phases


def test_phases_of_a_score(folder: Path) -> None:
    seen: Steps = []
    onnx_ood.score(
        CNN,
        folder / "new",
        reference=folder / "good",
        copies=2,
        cache=False,
        progress=lambda *step: seen.append(step),
    )
    assert checked(seen) == {
        "references": (12, 12),
        "fitting auto": (0, None),
        "inputs": (6, 6),
    }


def test_phases_of_an_auditor(folder: Path) -> None:
    seen: Steps = []
    auditor = onnx_ood.fit(CNN, folder / "good", cache=False, progress=lambda *step: seen.append(step))
    assert list(checked(seen)) == ["references", "fitting auto"]
    seen.clear()
    auditor.score(folder / "new", progress=lambda *step: seen.append(step))
    assert checked(seen) == {"inputs": (6, 6)}


def test_phases_of_a_bench(folder: Path) -> None:
    seen: Steps = []
    onnx_ood.bench(
        CNN,
        folder / "good",
        {"noise": np.random.default_rng(0).integers(0, 256, (10, 28, 28), np.uint8)},
        detectors=("energy", "msp"),
        corruptions=("contrast",),
        limit=11,
        cache=False,
        progress=lambda *step: seen.append(step),
    )
    found = checked(seen)
    assert found["in-distribution inputs"] == (11, 11)
    assert found["inputs of noise"] == (10, 10)
    assert found["corruptions"] == (66, 66)
    assert next(iter(found)) == "fitting detectors"


def test_phases_of_several_models_have_their_names(folder: Path) -> None:
    seen: Steps = []
    onnx_ood.sensitivity(
        [CNN, models.path("fashion_resnet")],
        folder / "good",
        limit=2,
        directions=2,
        trajectories=0,
        progress=lambda *step: seen.append(step),
    )
    found = checked(seen)
    assert found["fashion_cnn.onnx: inputs"] == found["fashion_resnet.onnx: inputs"] == (2, 2)
    assert not any("trajectories" in phase for phase in found)
