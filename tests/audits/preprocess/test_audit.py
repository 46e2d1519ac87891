"""The preprocessing search, against the bundled models' cards and models that were made to expect something else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper
from PIL import Image
from scipy.special import softmax
from small_models import build, normal

import onnx_ood
from onnx_ood import models
from onnx_ood.exceptions import NotEvaluatedError, UsageError
from onnx_ood.inputs import parse, read_card

SETTINGS = onnx_ood.PreprocessSettings(provider="cpu", limit=60)


def _write(images: np.ndarray, folder: Path) -> str:
    for i, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{i:02}.png")
    return str(folder)


@pytest.fixture(scope="module")
def garments(tmp_path_factory: pytest.TempPathFactory) -> str:
    images, _ = models.fashion_samples()
    return _write(images[:: len(images) // 60][:60], tmp_path_factory.mktemp("garments"))


def _expecting(factor: float, offset: float, folder: Path) -> Path:
    """A model of garments that takes (old input - offset) / factor."""
    model = onnx.load(models.path("fashion_resnet"))
    name = model.graph.input[0].name
    for node in model.graph.node:
        node.input[:] = ["old" if one == name else one for one in node.input]
    for key, value in (("factor", factor), ("offset", offset)):
        model.graph.initializer.append(numpy_helper.from_array(np.float32(value), key))
    model.graph.node.insert(0, helper.make_node("Mul", [name, "factor"], ["scaled"]))
    model.graph.node.insert(1, helper.make_node("Add", ["scaled", "offset"], ["old"]))
    path = folder / "changed.onnx"
    onnx.save(model, path)
    return path


@pytest.fixture(scope="module")
def result(garments: str) -> onnx_ood.PreprocessResult:
    return onnx_ood.preprocess(models.path("fashion_cnn"), [garments], SETTINGS)


def test_a_bundled_model_gets_what_its_card_says(result: onnx_ood.PreprocessResult) -> None:
    values, resize = result.questions
    assert values.verdict == "determined"
    card = read_card(models.path("fashion_cnn"))
    assert card is not None
    assert parse(values.candidates[0].spec, ("N", 1, 28, 28)) == card.preprocessing
    # Square pictures of the model's size: two of the ways to resize leave them alone.
    assert resize.verdict == "undetermined"
    assert "identical on these photos" in resize.reason
    assert {one.name for one in resize.leading} == {"stretched", "centre, all of the short side"}


@pytest.mark.parametrize(
    ("factor", "offset", "expected"),
    [(1 / 255, 0.0, "bytes"), (0.5, 0.5, "symmetric"), (0.3081, 0.1307, "mean=0.1307,std=0.3081")],
)
def test_a_model_that_was_made_to_expect_something_else(
    garments: str, tmp_path: Path, factor: float, offset: float, expected: str
) -> None:
    values = onnx_ood.preprocess(_expecting(factor, offset, tmp_path), [garments], SETTINGS).questions[0]
    assert values.verdict == "determined"
    assert values.candidates[0].spec == f"{expected},L,stretch"


def test_one_of_several_answers_can_be_named(
    garments: str, tmp_path: Path, result: onnx_ood.PreprocessResult
) -> None:
    """A second head that is the first one with its classes in another order."""
    model = onnx.load(models.path("fashion_cnn"))
    (logits,) = (output.name for output in model.graph.output)
    for head, order in (("first", np.arange(10)), ("second", np.arange(10)[::-1])):
        model.graph.initializer.append(numpy_helper.from_array(order, f"order_{head}"))
        model.graph.node.append(helper.make_node("Gather", [logits, f"order_{head}"], [f"z_{head}"], axis=1))
        model.graph.node.append(helper.make_node("Softmax", [f"z_{head}"], [head], axis=1))
    kinds = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["N", 10]) for name in ("first", "second")
    ]
    del model.graph.output[:]
    model.graph.output.extend(kinds)
    path = tmp_path / "two.onnx"
    onnx.save(model, path)
    unknown = onnx_ood.preprocess(path, [garments], SETTINGS)
    assert {one.information for one in unknown.questions[0].candidates} == {None}
    with pytest.raises(UsageError, match=r"answer='third'.* is not an output"):
        onnx_ood.preprocess(path, [garments], SETTINGS.replaced(answer="third"))
    found = onnx_ood.preprocess(path, [garments], SETTINGS.replaced(answer="second"))
    for question, alone in zip(found.questions, result.questions, strict=True):
        assert [one.spec for one in question.candidates] == [one.spec for one in alone.candidates]
        for one, other in zip(question.candidates, alone.candidates, strict=True):
            assert one.score == pytest.approx(other.score, rel=1e-4)


def test_photos_of_one_class_tell_nothing_but_are_not_believed(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    images, labels = models.fashion_samples()
    for garment in (1, 7, 9):
        folder = tmp_path_factory.mktemp("one")
        photos = _write(images[labels == garment][:30], folder)
        values = onnx_ood.preprocess(_expecting(0.5, 0.5, tmp_path), [photos], SETTINGS).questions[0]
        assert values.verdict == "undetermined"
        assert "of more classes" in values.reason


def test_norms_alone_tell_no_resizing(tmp_path: Path) -> None:
    """Of garments of one kind the values are told by norms, but a crop could be anything."""
    images, labels = models.fashion_samples()
    photos = _write(images[labels == 7][:30], tmp_path)
    values, resize = onnx_ood.preprocess(models.path("fashion_cnn"), [photos], SETTINGS).questions
    assert values.verdict == "determined"
    assert values.candidates[0].spec == "unit,L,stretch"
    assert resize.verdict == "undetermined"
    assert "of more classes" in resize.reason


def test_evidence_is_that_of_the_model(garments: str, result: onnx_ood.PreprocessResult) -> None:
    session = onnxruntime.InferenceSession(models.path("fashion_cnn"), providers=["CPUExecutionProvider"])
    pictures = np.stack([np.asarray(Image.open(path)) for path in sorted(Path(garments).iterdir())])
    batch = (pictures[:, np.newaxis] / 127.5 - 1).astype(np.float32)
    shares = softmax(session.run(None, {session.get_inputs()[0].name: batch})[0].astype(np.float64), axis=1)
    found = next(one for one in result.questions[0].candidates if one.spec.startswith("symmetric"))
    assert found.confidence == pytest.approx(shares.max(axis=1).mean(), abs=1e-4)
    mean = shares.mean(axis=0)
    assert found.answers == pytest.approx(np.exp(-(mean * np.log(mean + 1e-300)).sum()), rel=1e-3)
    assert found.information is not None
    assert found.batch_norm is not None
    assert found.score == pytest.approx(found.information - found.batch_norm)


def test_candidates_are_ranked_and_paired(result: onnx_ood.PreprocessResult) -> None:
    for question in result.questions:
        scores = [one.score for one in question.candidates]
        assert scores == sorted(scores, reverse=True)
        first = question.candidates[0]
        assert (first.gap.value, first.gap.low, first.gap.high) == (0, 0, 0)
        assert first.leading
        for one in question.candidates:
            assert one.gap.value == pytest.approx(first.score - one.score)
            assert one.leading == (one.gap.low <= 0)
        assert (question.verdict == "determined") == (len(question.leading) == 1)


def test_the_same_seed_gives_the_same_result(garments: str, result: onnx_ood.PreprocessResult) -> None:
    again = onnx_ood.preprocess(models.path("fashion_cnn"), [garments], SETTINGS)
    assert again.questions == result.questions


def test_what_can_not_be_asked(garments: str, tmp_path: Path, save) -> None:
    features = build(
        """
        features (float[N, 1, 8, 8] x) => (float[N, 4, 6, 6] y) {
            c = Conv (x, w)
            y = Relu (c)
        }
        """,
        {"w": normal(4, 1, 3, 3)},
    )
    with pytest.raises(
        UsageError,
        match=r"no class scores .* and has no BatchNormalization.*from the card .*name it with preprocess",
    ):
        onnx_ood.preprocess(save(features), [garments], SETTINGS)
    with pytest.raises(UsageError, match="does not look like a picture"):
        onnx_ood.preprocess(models.path("char_transformer"), [garments], SETTINGS)
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    with pytest.raises(NotEvaluatedError, match="no photo could be read"):
        onnx_ood.preprocess(models.path("fashion_cnn"), [str(broken)], SETTINGS)
    with pytest.raises(UsageError, match="limit: expected 1 or more, found 0"):
        SETTINGS.replaced(limit=0)


def test_arrays_and_pictures_in_memory_are_taken_as_files_are(result: onnx_ood.PreprocessResult) -> None:
    images, _ = models.fashion_samples()
    chosen = images[:: len(images) // 60][:60]
    for photos in (chosen, [Image.fromarray(image) for image in chosen]):
        found = onnx_ood.preprocess(models.path("fashion_cnn"), photos, SETTINGS)
        assert found.photos == 60
        assert found.questions == result.questions


def test_few_photos_are_not_evaluated_and_bad_ones_are_listed(garments: str, tmp_path: Path) -> None:
    few = sorted(Path(garments).iterdir())[:4]
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    result = onnx_ood.preprocess(models.path("fashion_cnn"), [*map(str, few), str(broken)], SETTINGS)
    assert result.status == "not_evaluated"
    assert result.photos == 4
    assert [one.id for one in result.failed] == [str(broken)]
