"""Sets of inputs: limits, failures and alterations, measured by a reader that returns what it is fed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import small_models as small

from onnx_ood.evidence.collect import BATCH, Collector, SeededAlteration
from onnx_ood.evidence.prepared_model import PreparedModel, prepare_model
from onnx_ood.exceptions import ModelError
from onnx_ood.inputs import InputSource, open_inputs


class Echo:
    """Returns inputs as they are fed; refuses those that contain `refused`."""

    def __init__(self, refused: float | None = None) -> None:
        self.refused, self.read_inputs = refused, 0

    def read(self, batch, others=None):  # noqa: ARG002
        if self.refused is not None and (batch == self.refused).any():
            raise ModelError("refused")
        self.read_inputs += len(batch)
        return np.array(batch, np.float64)

    def joined(self, parts):
        return np.concatenate([np.empty((0, 3)), *parts])

    def finite(self, found):
        return np.isfinite(found).all(axis=1)

    def rows(self, found, which):
        return found[which]


@pytest.fixture
def prepared(save) -> PreparedModel:
    return prepare_model(
        save(small.build("net (float[N, 3] x) => (float[N, 3] y) { y = Relu (x) }")), InputSource()
    )


def _files(folder: Path, sizes: list[int]) -> list[Path]:
    paths = []
    for number, size in enumerate(sizes):
        paths.append(folder / f"{number}.npy")
        values = np.arange(size * 3, dtype=np.float32).reshape(size, 3)
        np.save(paths[-1], values + 1000 * number)
    return paths


@pytest.mark.parametrize("limit", [1, BATCH - 1, BATCH, BATCH + 1, 2 * BATCH + 5])
def test_a_limit_counts_over_all_batches(tmp_path, prepared, limit):
    """Files of 20 rows each make batches of 32, so that no limit is met within the first batch alone."""
    reader = Echo()
    source = open_inputs(_files(tmp_path, [20] * 6))
    found = Collector(reader, prepared, limit=limit).collect(source)
    assert len(found.ids) == len(found.values) == min(limit, 120)
    assert reader.read_inputs == len(found.ids)


def test_a_limit_takes_a_sample_of_files(tmp_path, prepared):
    source = open_inputs(_files(tmp_path, [1] * 40))
    ids = [Collector(Echo(), prepared, limit=8, seed=seed).collect(source).ids for seed in (0, 0, 1)]
    assert ids[0] == ids[1] != ids[2]
    assert all(len(one) == 8 and one == sorted(one, key=lambda name: int(Path(name).stem)) for one in ids)


def test_inputs_that_fail_are_named_and_the_others_measured(tmp_path, prepared):
    (path,) = _files(tmp_path, [5])
    source = open_inputs([path, tmp_path / "missing.npy"])
    found = Collector(Echo(refused=4.0), prepared).collect(source)
    assert [Path(failure.id).name for failure in found.failed] == ["missing.npy", "0.npy[1]"]
    assert found.failed[1].reason == "refused"
    np.testing.assert_array_equal(found.values, np.delete(np.load(path), 1, axis=0))


def test_alterations_draw_from_their_own_number(save):
    """A picture altered by noise is the picture plus the draws of a generator seeded as documented."""
    model = save(small.build("net (float[N, 1, 2, 3] x) => (float[N, 1, 2, 3] y) { y = Relu (x) }"))
    pictures = np.random.default_rng(0).integers(40, 200, (5, 2, 3, 1)).astype(np.uint8)
    prepared = prepare_model(model, open_inputs(pictures), preprocess="unit,L,stretch")

    class Flat(Echo):
        def read(self, batch, others=None):  # noqa: ARG002
            return super().read(batch.reshape(len(batch), -1))

        def joined(self, parts):
            return np.concatenate([np.empty((0, 6)), *parts])

    def add(pixels, generator):
        return (pixels + generator.uniform(0, 0.1, pixels.shape)).astype(np.float32)

    reader, altering = Flat(), Flat()
    found = Collector(reader, prepared, seed=7, altering=lambda: altering).collect(
        open_inputs(pictures), {"noise": SeededAlteration(3, add)}
    )
    assert (reader.read_inputs, altering.read_inputs) == (5, 5)
    np.testing.assert_allclose(found.values, pictures.reshape(5, 6) / 255, atol=1e-6)
    draws = np.random.default_rng([7, 3, 0]).uniform(0, 0.1, (5, 2, 3, 1))
    expected = pictures / 255 + draws
    np.testing.assert_allclose(found.altered["noise"], expected.reshape(5, 6), atol=1e-6)


def test_inputs_with_features_of_other_sizes_fail_by_name(tmp_path, prepared):
    class Growing(Echo):
        def read(self, batch, others=None):
            found = super().read(batch, others)
            return np.c_[found, found] if (batch == 7).any() else found

    np.save(tmp_path / "a.npy", np.ones((2, 3), np.float32))
    np.save(tmp_path / "b.npy", np.full((BATCH, 3), 7, np.float32))
    np.save(tmp_path / "c.npy", np.ones((BATCH, 3), np.float32))
    source = open_inputs([tmp_path / name for name in ("c.npy", "b.npy", "a.npy")])
    found = Collector(Growing(), prepared).collect(source)
    assert len(found.values) == len(found.ids) == BATCH + 2
    assert {one.reason for one in found.failed} == {
        "its features have other sizes than those of the inputs before it"
    }
    assert len(found.failed) == BATCH


@pytest.mark.parametrize("dtype", ["uint8", "int64"])
def test_pictures_for_models_of_integers_are_rounded_in_one_place(save, dtype) -> None:
    """What is measured is what a picture file of the rounded pixels would be read as."""
    text = f"net ({dtype}[N, 2, 3, 1] x) => (float[N, 2, 3, 1] y) {{ f = Cast <to = 1> (x) y = Relu (f) }}"
    pixels = np.random.default_rng(0).uniform(0, 1, (4, 2, 3, 1)).astype(np.float32)
    files = np.rint(pixels * 255).astype(np.uint8)
    prepared = prepare_model(save(small.build(text)), open_inputs(files), preprocess="bytes")
    assert prepared.preprocessing is not None
    assert prepared.preprocessing.std == (1 / 255,)
    assert prepared.site_preprocessing is prepared.preprocessing

    class Fed(Echo):
        def read(self, batch, others=None):  # noqa: ARG002
            assert batch.dtype == dtype
            return super().read(batch.reshape(len(batch), -1))

        def joined(self, parts):
            return np.concatenate([np.empty((0, 6)), *parts])

    found = Collector(Fed(), prepared).measure_pictures(pixels)
    np.testing.assert_array_equal(found, files.reshape(4, 6))
