"""The benchmark of OpenOOD's protocol stores what `bench` measures with the references that it states."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import protocol_folders
import pytest
from PIL import Image

import onnx_ood
from onnx_ood import models

SCRIPTS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def script() -> Iterator[ModuleType]:
    sys.path.insert(0, str(SCRIPTS))  # It imports other scripts from there.
    import openood as module

    yield module
    sys.path.remove(str(SCRIPTS))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = protocol_folders.write_data(tmp_path_factory.mktemp("data"))
    images, labels = models.fashion_samples()
    for split, start in (("train", 40), ("val", 60)):
        folder = data / "images_classic" / "cifar10" / split
        folder.mkdir()
        lines = []
        for place in range(start, start + 15):
            Image.fromarray(images[place]).save(folder / f"{place}.png")
            lines.append(f"cifar10/{split}/{place}.png {labels[place]}")
        (data / "benchmark_imglist" / "cifar10" / f"{split}_cifar10.txt").write_text("\n".join(lines))
    return data


def test_pictures_of_a_list_are_drawn_without_those_that_are_missing(script: ModuleType, data: Path) -> None:
    folder = data / "images_classic" / "cifar10" / "train"
    everything = script.listed(data, "cifar10", "train", 100)
    assert {path.name for path in everything} == {path.name for path in folder.iterdir()}
    drawn = script.listed(data, "cifar10", "train", 5)
    assert len(drawn) == 5
    assert set(drawn) < set(everything)
    listing = data / "benchmark_imglist" / "cifar10" / "train_cifar10.txt"
    text = listing.read_text()
    listing.write_text(f"{text}\ncifar10/train/missing.png 0")
    assert script.listed(data, "cifar10", "train", 100) == everything
    listing.write_text(text)


def test_stored_numbers_are_those_of_bench(
    script: ModuleType, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, model = tmp_path / "results.json", models.path("fashion_cnn")
    path.write_text('{"other": 1}')
    monkeypatch.setattr(script, "OURS", ("msp", "vim", "knn"))
    arguments = ["openood.py", "cifar10", data, model, "--train", 12, "--held-out", 11, "--json", path]
    monkeypatch.setattr(sys, "argv", [str(one) for one in arguments])
    script.main()
    stored = json.loads(path.read_text())
    assert stored["other"] == 1
    assert stored["fashion_cnn"]["published"]["references"] == 12
    ours = stored["fashion_cnn"]["ours"]
    assert ours["references"] == 11
    reference = [str(one) for one in script.listed(data, "cifar10", "val", 11)]
    result = onnx_ood.bench(
        model, data, protocol="cifar10", detectors="knn", reference=reference, provider="cpu"
    ).protocol
    assert result is not None
    (knn,) = result.detectors
    (found,) = [one for one in ours["detectors"] if one["name"] == "knn"]
    for name, metrics in knn.sets.items():
        assert found["sets"][name]["auroc"]["value"] == round(metrics.auroc.value, 5)
        assert found["sets"][name]["fpr95"]["high"] == round(metrics.fpr95.high, 5)
    assert str(data) not in path.read_text()
