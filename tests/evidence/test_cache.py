"""Benchmarks from the cache: the same bits as without, and no run of the model for what is known."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import numpy as np
import onnx
import pytest
import small_models
from PIL import Image

import onnx_ood
from onnx_ood import models
from onnx_ood.detectors import Features, Need
from onnx_ood.evidence import bundled_photos, references
from onnx_ood.evidence.cache import PARTS
from onnx_ood.evidence.reader import FeatureReader
from onnx_ood.exceptions import ModelError, OnnxOodError

COUNT = 12
MANY = (
    "energy",
    "auto",
    "profile",
    "batch_norm",
    "rank_feat",
    "knn",
    "spectral_ratio",
    "transition_density",
    "jacobian_norm",
)


@pytest.fixture
def garments(tmp_path: Path) -> Path:
    """Pictures to be told, others to learn from, and one that is none."""
    images, _ = models.fashion_samples()
    for name, some in (("good", images[:COUNT]), ("known", images[COUNT : 2 * COUNT])):
        (tmp_path / name).mkdir()
        for i, image in enumerate(some):
            Image.fromarray(image).save(tmp_path / name / f"{i:02}.png")
    (tmp_path / "good" / "broken.png").write_bytes(b"not a picture")
    return tmp_path


class Counted:
    """How many sessions were made for evidence, and how many inputs they ran."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.needs: list[set[Need]] = []
        self.inputs = 0
        make, read = FeatureReader.__init__, FeatureReader.read_all

        def counted_make(reader: FeatureReader, model: Any, needs: Any, **options: Any) -> None:
            self.needs.append(set(needs))
            make(reader, model, needs, **options)

        def counted_read(
            reader: FeatureReader, batch: Any, others: Any = None
        ) -> tuple[Features, Mapping[str, Any]]:
            self.inputs += len(batch)
            return read(reader, batch, others)

        monkeypatch.setattr(FeatureReader, "__init__", counted_make)
        monkeypatch.setattr(FeatureReader, "read_all", counted_read)

    def reset(self) -> None:
        self.needs, self.inputs = [], 0


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    return Counted(monkeypatch)


@pytest.fixture
def measure(garments: Path) -> Callable[..., onnx_ood.BenchResult]:
    def measured(*detectors: str, model: Path | None = None, **options: Any) -> onnx_ood.BenchResult:
        settings = onnx_ood.BenchSettings(
            detectors=detectors, **{"provider": "cpu", "cache": garments / "cache", **options}
        )
        return onnx_ood.bench(
            model or models.path("fashion_cnn"),
            [str(garments / "good")],
            None,
            settings,
            reference=[str(garments / "known")],
        )

    return measured


def _figures(result: onnx_ood.BenchResult) -> dict[str, Any]:
    found = result.model_dump()
    del found["cache"]
    return found


def test_a_cache_changes_nothing(measure: Callable[..., onnx_ood.BenchResult], counted: Counted) -> None:
    plain = measure(*MANY, cache=None)
    assert plain.cache is None
    inputs = counted.inputs
    counted.reset()
    first = measure(*MANY)
    # 8 sets are made of as many inputs, and references are altered in 10 ways. No input is measured twice.
    assert counted.inputs == inputs == COUNT * (1 + 8 + 1 + 10)
    counted.reset()
    again = measure(*MANY)
    assert (counted.needs, counted.inputs) == ([], 0)
    assert _figures(plain) == _figures(first) == _figures(again)
    assert len(plain.failed) == 1
    assert first.cache is not None
    assert again.cache is not None
    assert (first.cache.found, again.cache.measured) == (0, 0)
    assert first.cache.measured == again.cache.found == inputs


def test_another_detector_is_measured_alone(
    measure: Callable[..., onnx_ood.BenchResult], counted: Counted
) -> None:
    together = measure("energy", "activity", "profile", cache=None)
    measure("energy", "activity")
    counted.reset()
    added = measure("energy", "activity", "profile")
    assert counted.needs == [{"pairs"}]
    assert counted.inputs == COUNT * (1 + 8 + 1)
    for one in added.detectors:
        other = next(each for each in together.detectors if each.name == one.name)
        assert abs(one.macro.value - other.macro.value) < 2e-3
    counted.reset()
    fewer = measure("msp")
    assert counted.needs == []
    assert [one.name for one in fewer.detectors] == ["msp"]


def test_a_picture_that_is_changed_is_measured_anew(
    measure: Callable[..., onnx_ood.BenchResult], counted: Counted, garments: Path
) -> None:
    measure("msp")
    path = garments / "good" / "03.png"
    path.rename(garments / "good" / "03a.png")
    counted.reset()
    moved = measure("msp")
    assert counted.inputs == 0
    with Image.open(garments / "good" / "03a.png") as picture:
        changed = np.asarray(picture).copy()
    changed[:8] = 255 - changed[:8]
    Image.fromarray(changed).save(garments / "good" / "03a.png")
    found = measure("msp")
    # Its batch, clean and altered: what is noise stays.
    assert counted.inputs == COUNT * (1 + 5)
    assert _figures(found) == _figures(measure("msp", cache=None))
    assert _figures(found) != _figures(moved)


@pytest.mark.parametrize(
    "options", [{"seed": 1}, {"preprocess": "symmetric,L"}, {"batch_size": 5}, {"model": "changed.onnx"}]
)
def test_what_the_numbers_depend_on_is_in_the_key(
    measure: Callable[..., onnx_ood.BenchResult],
    counted: Counted,
    garments: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, Any],
) -> None:
    model = garments / "changed.onnx"
    shutil.copy(models.path("fashion_cnn"), model)
    if "model" in options:
        measure("msp", model=model)
        proto = onnx.load(model)
        weights = onnx.numpy_helper.to_array(proto.graph.initializer[0]).copy()
        proto.graph.initializer[0].CopyFrom(
            onnx.numpy_helper.from_array(1.25 * weights, proto.graph.initializer[0].name)
        )
        onnx.save(proto, model)
        options = {}
    else:
        measure("msp", model=model, preprocess="unit,L")
    counted.reset()
    found = measure("msp", model=model, **{"preprocess": "unit,L", **options})
    assert found.cache is not None
    assert found.cache.found == 0
    plain = measure("msp", model=model, cache=None, **{"preprocess": "unit,L", **options})
    assert _figures(found) == _figures(plain)


def test_damaged_and_foreign_files_are_measured_anew(
    measure: Callable[..., onnx_ood.BenchResult], counted: Counted, garments: Path
) -> None:
    plain = measure("energy")
    files = sorted((garments / "cache").glob("*/*.measured"))
    whole = files[0].read_bytes()
    files[1].write_bytes(whole)
    files[2].write_bytes(b"")
    files[3].write_bytes(files[3].read_bytes()[:-9])
    files[4].write_bytes(files[4].read_bytes()[:200] + b"\0\0" + files[4].read_bytes()[202:])
    files[5].unlink()
    files[5].mkdir()
    counted.reset()
    found = measure("energy")
    assert 0 < counted.inputs <= 5 * COUNT
    assert _figures(found) | {"notes": ()} == _figures(plain) | {"notes": ()}
    # Where a file can't be written, that is said, and the run goes on.
    assert any("cannot be written" in note for note in found.notes)
    files[5].rmdir()
    measure("energy")
    counted.reset()
    assert _figures(measure("energy")) == _figures(plain)
    assert counted.inputs == 0


def test_a_model_that_is_refused_is_no_fault_of_inputs(
    measure: Callable[..., onnx_ood.BenchResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def refused(*_: Any, **__: Any) -> None:
        tried.append(1)
        raise ModelError("it is refused")

    monkeypatch.setattr(FeatureReader, "__init__", refused)
    with pytest.raises(OnnxOodError, match="it is refused") as raised:
        measure("msp")
    assert (len(tried), raised.value.exit_code) == (1, ModelError.exit_code)


def test_every_field_is_of_one_need() -> None:
    filled = [name for part in PARTS.values() for name in part]
    assert len(filled) == len(set(filled))
    assert {*filled, "finite_outputs", "altered"} == {field.name for field in fields(Features)}
    assert {*PARTS, "altered"} == set(get_args(Need))


def test_external_weights_are_in_the_key(
    measure: Callable[..., onnx_ood.BenchResult], counted: Counted, garments: Path
) -> None:
    model = garments / "outside.onnx"
    proto = onnx.load(models.path("fashion_cnn"))
    onnx.save(proto, model, save_as_external_data=True, location="weights.bin", size_threshold=0)
    measure("msp", model=model, preprocess="unit,L")
    weights = np.fromfile(garments / "weights.bin", np.uint8)
    values = weights[: len(weights) // 4 * 4].view(np.float32)
    values *= np.float32(1.25)
    weights.tofile(garments / "weights.bin")
    found = measure("msp", model=model, preprocess="unit,L")
    assert found.cache is not None
    assert found.cache.found == 0
    assert onnx_ood.BenchSettings().replaced(cache=garments).cache == garments


def _colour_network(path: Path) -> Path:
    text = """g (float[N, 3, 16, 16] x) => (float[N, 5] y) {
        c = Conv<pads=[1, 1, 1, 1]>(x, w)
        r = Relu(c)
        p = GlobalAveragePool(r)
        f = Flatten(p)
        y = MatMul(f, v)
    }"""
    weights = {"w": small_models.normal(8, 3, 3, 3), "v": small_models.normal(8, 5, seed=1)}
    onnx.save(small_models.build(text, weights), path)
    return path


def test_bundled_photos_are_stored_as_one_set(
    tmp_path: Path, counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings: dict[str, Any] = {"provider": "cpu", "cache": tmp_path / "cache"}
    model = _colour_network(tmp_path / "colour.onnx")
    picture = tmp_path / "grey.png"
    Image.new("RGB", (16, 16), "grey").save(picture)
    expected = onnx_ood.score(model, [picture], provider="cpu", cache=False)
    counted.reset()
    first = onnx_ood.score(model, [picture], **settings)
    # 96 crops, 16 of them in each of 12 alterations, and the picture.
    assert counted.inputs == 96 + 12 * 16 + 1
    counted.reset()
    made = []
    monkeypatch.setattr(references, "bundled_photos", made.append)
    again = onnx_ood.score(model, [picture], **settings)
    assert (counted.inputs, made) == (1, [])
    assert first.inputs == again.inputs == expected.inputs
    monkeypatch.undo()
    # The preprocessing is part of the key.
    counted = Counted(monkeypatch)
    onnx_ood.score(model, [picture], preprocess="symmetric", **settings)
    assert counted.inputs == 96 + 12 * 16 + 1


def test_pictures_that_are_made_otherwise_are_measured_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = tmp_path / "bundled_photos.py"
    code.write_bytes(Path(bundled_photos.__file__).read_bytes())
    monkeypatch.setattr(bundled_photos, "__file__", str(code))
    before = bundled_photos.bundled_pictures_hash(["fog"])
    assert before == bundled_photos.bundled_pictures_hash(["fog"])
    assert before != bundled_photos.bundled_pictures_hash(["fog", "blur"])
    code.write_bytes(code.read_bytes() + b"\n")
    assert before != bundled_photos.bundled_pictures_hash(["fog"])
