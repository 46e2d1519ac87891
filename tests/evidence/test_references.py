"""References: what is altered, what bundled photos are taken for, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import small_models
from PIL import Image

import onnx_ood
from onnx_ood import models
from onnx_ood.detectors import Features
from onnx_ood.evidence.references import (
    baseline_pictures,
    measure_bundled_photos,
    photos_suit,
    pseudo_ood_augmentations,
)
from onnx_ood.exceptions import ModelError, UsageError
from onnx_ood.inputs import parse


def test_grey_pictures_are_not_altered_in_colour() -> None:
    grey = parse("unit,L,size=28", (None, 1, 28, 28))
    colour = parse("unit,size=28", (None, 3, 28, 28))
    assert set(pseudo_ood_augmentations(colour)) - set(pseudo_ood_augmentations(grey)) == {
        "saturate",
        "channel_swap",
    }
    pictures = np.random.default_rng(0).random((3, 28, 28, 1)).astype(np.float32)
    for name, alter in pseudo_ood_augmentations(grey).items():
        altered = alter(pictures, np.random.default_rng(1))
        assert altered.shape == pictures.shape, name
        assert np.abs(altered - pictures).max() > 0.05, name


@pytest.mark.parametrize(("text", "channels"), [("unit,L,size=28x20", 1), ("unit,size=28x20", 3)])
def test_blanks_show_nothing_from_black_to_white(text: str, channels: int) -> None:
    blanks = baseline_pictures(parse(text, (None, channels, 28, 20)))
    assert blanks.shape == (11, 28, 20, channels)
    assert blanks.dtype == np.float32
    np.testing.assert_allclose(blanks[:, 5, 7, 0], np.arange(11) / 10, rtol=1e-6)
    assert (np.ptp(blanks, axis=(1, 2, 3)) == 0).all()


@pytest.fixture(scope="module")
def garments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    images, _ = models.fashion_samples()
    folder = tmp_path_factory.mktemp("references")
    for i, image in enumerate(images[:44]):
        Image.fromarray(image).save(folder / f"{i:02}.png")
    return folder


def test_references_make_auto_better(garments: Path) -> None:
    """Altered references are of other kinds than what is told from them."""
    files = sorted(map(str, garments.iterdir()))
    settings = onnx_ood.BenchSettings(detectors=("auto", "uncertainty", "activity"), provider="cpu")
    alone = onnx_ood.BenchSettings(detectors=("auto", "uncertainty"), provider="cpu")
    without = onnx_ood.bench(models.path("fashion_resnet"), files[12:], None, alone)
    found = onnx_ood.bench(models.path("fashion_resnet"), files[12:], None, settings, reference=files[:12])
    assert (without.reference, without.references) == ("none", 0)
    assert "grey pictures" in without.notes[-1]
    assert (found.reference, found.references) == ("given", 12)
    before, after = ({one.name: one.macro.value for one in result.detectors} for result in (without, found))
    assert before["auto"] > before["uncertainty"]
    assert after["auto"] > after["uncertainty"] + 0.05
    assert after["auto"] > 0.9


def test_detectors_that_learn_need_references(garments: Path) -> None:
    files = sorted(map(str, garments.iterdir()))
    with pytest.raises(UsageError, match=r"activity requires references.*with reference"):
        onnx_ood.bench(
            models.path("fashion_cnn"),
            files,
            None,
            onnx_ood.BenchSettings(detectors=("activity",), provider="cpu"),
        )
    with pytest.raises(UsageError, match=r"9 references.*at least 10"):
        onnx_ood.bench(
            models.path("fashion_cnn"),
            files[9:],
            None,
            onnx_ood.BenchSettings(detectors=("activity",), provider="cpu"),
            reference=files[:9],
        )


def test_flags_keep_their_rate_and_catch_what_is_strange(garments: Path) -> None:
    """With 32 references, 5% is the strangest of 33 alone."""
    files = sorted(map(str, garments.iterdir()))
    settings = onnx_ood.BenchSettings(detectors=("auto",), provider="cpu", fpr=0.05)
    found = onnx_ood.bench(models.path("fashion_cnn"), files[32:], None, settings, reference=files[:32])
    assert found.flags is not None
    assert found.flags.fpr == 0.05
    # Of 12, a rate of 5% gives more than 3 with a probability of 0.2%, more if references are unlucky.
    assert found.flags.id.value <= 3 / 12
    assert found.flags.sets["uniform_noise"] == 1
    assert found.flags.sets["pink_noise"] == 1
    # The smallest p-value is 1 in 13.
    few = onnx_ood.bench(models.path("fashion_cnn"), files[12:], None, settings, reference=files[:12])
    assert few.flags is None


def test_an_empty_mapping_is_empty() -> None:
    with pytest.raises(UsageError, match="inputs are empty"):
        onnx_ood.score(models.path("fashion_cnn"), {})
    with pytest.raises(UsageError, match="reference is empty"):
        onnx_ood.score(models.path("fashion_cnn"), np.zeros((2, 1, 28, 28), np.float32), reference={})


def test_the_reason_of_the_runtime_comes_before_the_number_of_references(tmp_path: Path) -> None:
    # Declared with no rows, but run with one.
    model = small_models.build("g (float[0,4] x) => (float[0,4] y) { a = Relu (x)  y = Softmax (a) }")
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    rows = np.ones((12, 4), np.float32)
    with pytest.raises(ModelError, match="onnxruntime cannot run it: Got invalid dimensions"):
        onnx_ood.score(path, rows, reference=rows + 1, provider="cpu")


@pytest.mark.parametrize(("unusable", "left"), [(0, 40), (3, 37), (31, 0)])
def test_bundled_photos_without_finite_outputs_are_left_out(unusable: int, left: int) -> None:
    class Measured:
        """Forty photos, of which the last have NaN in an output of the model."""

        def measure_pictures(self, pictures: np.ndarray, *, altered: bool = False) -> Features:
            assert (pictures.shape[1:], altered) == ((8, 8, 3), False)
            return Features(
                logits=np.arange(80.0).reshape(40, 2), finite_outputs=np.arange(40) < 40 - unusable
            )

    preprocessing = parse("unit,size=8", (None, 3, 8, 8))
    found = measure_bundled_photos(Measured(), preprocessing, augment=False)
    assert (found.source, len(found)) == (("bundled", left) if left else ("none", 0))
    if found.features is not None:
        np.testing.assert_array_equal(found.features.logits, np.arange(2.0 * left).reshape(-1, 2))
    assert len(found.failed) == (unusable if left else 0)
    assert any("NaN or infinity" in note for note in found.notes) == bool(unusable)


def test_altered_crops_without_finite_outputs_are_left_out() -> None:
    class Measured:
        """Crops, all finite; of the altered ones of every second alteration only the first is."""

        altered = 0

        def measure_pictures(self, pictures: np.ndarray, *, altered: bool = False) -> Features:
            finite = np.ones(len(pictures), np.bool_)
            if altered:
                finite[1:] = self.altered % 2 == 0
                self.altered += 1
            return Features(logits=np.ones((len(pictures), 2)), finite_outputs=finite)

    preprocessing = parse("unit,size=8", (None, 3, 8, 8))
    found = measure_bundled_photos(Measured(), preprocessing, augment=True)
    assert found.features is not None
    assert (len(found), len(found.failed)) == (96, 0)
    assert [len(one) for one in found.features.altered] == [16] * 6


@pytest.mark.parametrize("unusual", [0, 30])
@pytest.mark.parametrize(("shift", "suit"), [(0.0, True), (3.0, False)])
def test_photos_suit_models_whose_inputs_are_active_as_they_are(shift, suit, unusual):
    """Inputs within the photos, or elsewhere; 30% that are far from both do not change the decision."""
    rng = np.random.default_rng(0)
    photos = Features(activity=rng.normal(size=(96, 18)))
    inputs = rng.normal(shift, 0.9, (100, 18))
    inputs[:unusual] += 30
    assert photos_suit(photos, Features(activity=inputs)) is suit


def test_few_inputs_do_not_tell_whether_photos_suit():
    rng = np.random.default_rng(0)
    photos = Features(activity=rng.normal(size=(96, 18)))
    assert photos_suit(photos, Features(activity=rng.normal(9, 1, (19, 18))))
