"""The bundled models are what their cards say, and the photographs are credited."""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy import special, stats

from onnx_ood import models
from onnx_ood.exceptions import UsageError
from onnx_ood.inputs import read_card

NAMES = ["char_transformer", "efficientnet_lite0", "fashion_cnn", "fashion_resnet"]
PICTURES = ["efficientnet_lite0", "fashion_cnn", "fashion_resnet"]
CONTEXT = 128  # The most characters that the language model takes.
FASHION = ["fashion_cnn", "fashion_resnet"]
KEYS = {
    "format", "name", "summary", "origin", "licence", "made_by", "sha256", "opset", "parameters", "accuracy",
    "classes", "preprocessing",
}  # fmt: skip
PREPROCESSING_KEYS = {
    "channels", "layout", "size", "resize", "resize_to", "interpolation", "mean", "std",
}  # fmt: skip
LICENCES = {"CC0 1.0", "Public domain", "CC BY 2.0"}
# Photographs whose subject is one of ImageNet's classes, and the classes that are right for it. Left out: the
# astronaut, the dahlia, the Great Wall, the rocket, the ewe and the temple, for which there is no class of their own.
SUBJECTS = {
    "baseball": {"baseball"},
    "bison": {"bison"},
    "cameraman": {"tripod"},
    "cat": {"tabby cat", "tiger cat", "Egyptian cat"},
    "clownfish": {"clownfish"},
    "coffee": {"espresso"},
    "crab": {"rock crab"},
    "dam": {"dam"},
    "hammer": {"hammer"},
    "hens": {"hen"},
    "koala": {"koala"},
    "komodo_dragon": {"Komodo dragon"},
    "lemurs": {"ring-tailed lemur"},
    "macaw": {"macaw"},
    "pan": {"frying pan"},
    "polar_bear": {"polar bear"},
    "red_panda": {"red panda"},
    "solar_dish": {"solar thermal collector"},
}


def card_of(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(models.path(name).with_suffix(".json").read_text("utf-8"))
    return content


def class_names(name: str) -> list[str]:
    return models.path(name).with_name(card_of(name)["classes"]).read_text("utf-8").splitlines()


def graph_of(name: str) -> onnx.GraphProto:
    return onnx.load(models.path(name)).graph


@cache
def session_of(name: str) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(models.path(name), providers=["CPUExecutionProvider"])


def logits_of(name: str, batch: NDArray[np.float32]) -> NDArray[np.float32]:
    (logits,) = session_of(name).run(["logits"], {"image": batch})
    return np.asarray(logits)


def text_logits(tokens: NDArray[np.int64]) -> NDArray[np.float32]:
    (logits,) = session_of("char_transformer").run(["logits"], {"tokens": tokens})
    return np.asarray(logits)


def predicted(sentences: list[str]) -> NDArray[np.float64]:
    """For each sentence, predicted alone after a newline: characters, those ranked first, and bits."""
    session = session_of("char_transformer")
    rows = []
    for sentence in sentences:
        tokens = models.encode("\n" + sentence)
        (logits,) = session.run(["logits"], {"tokens": tokens[None, :-1]})
        odds = special.log_softmax(logits[0].astype(np.float64), axis=1)
        right = odds[np.arange(len(odds)), tokens[1:]]
        rows.append((len(odds), (odds.argmax(axis=1) == tokens[1:]).sum(), -right.sum() / np.log(2)))
    return np.array(rows)


def bits_per_character(sentences: list[str]) -> float:
    characters, _, bits = predicted(sentences).sum(axis=0)
    return float(bits / characters)


def as_input(picture: Image.Image, preprocessing: dict[str, Any]) -> NDArray[np.float32]:
    """The card's own words, done with Pillow: short side, centre crop, mean and standard deviation."""
    assert (preprocessing["resize"], preprocessing["interpolation"]) == ("short-side", "bicubic")
    height, width = preprocessing["size"]
    factor = preprocessing["resize_to"] / min(picture.size)
    sized = picture.resize(
        (round(picture.width * factor), round(picture.height * factor)), Image.Resampling.BICUBIC
    )
    left, top = (sized.width - width) // 2, (sized.height - height) // 2
    pixels = np.asarray(sized.crop((left, top, left + width, top + height)), np.float64) / 255
    tensor = (pixels - preprocessing["mean"]) / preprocessing["std"]
    return tensor.transpose(2, 0, 1)[None].astype(np.float32)


@cache
def lite0_input(photo: Path) -> NDArray[np.float32]:
    with Image.open(photo) as picture:
        return as_input(picture, card_of("efficientnet_lite0")["preprocessing"])


def test_the_models_are_listed() -> None:
    assert models.names() == NAMES


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UsageError) as caught:
        models.path("resnet50")
    message = str(caught.value)
    assert "'resnet50'" in message
    assert all(name in message for name in NAMES)


@pytest.mark.parametrize("name", ["../models/fashion_cnn", "fashion_cnn.onnx", ""])
def test_a_name_is_no_path(name: str) -> None:
    with pytest.raises(UsageError):
        models.path(name)


@pytest.mark.parametrize("name", NAMES)
class TestCard:
    def test_has_exactly_the_agreed_keys(self, name: str) -> None:
        card = card_of(name)
        assert set(card) == KEYS
        measured = {"value", "set", "how"}
        assert set(card["accuracy"]) == (measured if name in PICTURES else measured | {"bits_per_character"})
        assert (
            (set(card["preprocessing"]) == PREPROCESSING_KEYS)
            if name in PICTURES
            else not card["preprocessing"]
        )

    def test_is_what_the_package_reads(self, name: str) -> None:
        card = read_card(models.path(name))
        assert card is not None
        assert card.accuracy is not None
        assert (card.preprocessing is not None) == (name in PICTURES)
        assert card.class_names() == class_names(name)

    def test_belongs_to_the_file_beside_it(self, name: str) -> None:
        path, card = models.path(name), card_of(name)
        model = onnx.load(path)
        onnx.checker.check_model(model, full_check=True)
        stored = [onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer]
        assert card["name"] == name
        assert card["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", card["opset"])]
        assert card["parameters"] == sum(array.size for array in stored if array.dtype.kind == "f")

    def test_names_the_script_that_made_the_model(self, name: str) -> None:
        script = Path(__file__).parents[2] / card_of(name)["made_by"]
        assert name in script.read_text("utf-8")

    def test_names_one_class_for_each_output(self, name: str) -> None:
        names = class_names(name)
        assert len(set(names)) == len(names)
        assert all(word == word.strip() and word for word in names)
        free = ["batch"] if name in PICTURES else ["batch", "sequence"]
        assert session_of(name).get_outputs()[0].shape == [*free, len(names)]

    def test_describes_the_input(self, name: str) -> None:
        if name not in PICTURES:
            (tokens,) = session_of(name).get_inputs()
            assert (tokens.name, tokens.type, tokens.shape) == (
                "tokens",
                "tensor(int64)",
                ["batch", "sequence"],
            )
            return
        preprocessing = card_of(name)["preprocessing"]
        channels = len(preprocessing["channels"])
        (image,) = session_of(name).get_inputs()
        assert preprocessing["layout"] == "NCHW"
        assert (image.name, image.shape) == ("image", ["batch", channels, *preprocessing["size"]])
        assert len(preprocessing["mean"]) == len(preprocessing["std"]) == channels


@pytest.mark.parametrize("name", NAMES)
class TestFile:
    def test_is_small(self, name: str) -> None:
        limit = {"efficientnet_lite0": 10_000_000, "char_transformer": 2 << 20}.get(name, 500_000)
        assert 100_000 < models.path(name).stat().st_size < limit

    def test_has_unique_readable_names(self, name: str) -> None:
        graph = graph_of(name)
        nodes = [node.name for node in graph.node]
        assert len(set(nodes)) == len(nodes)
        assert all(node.startswith("/") for node in nodes)
        tensors = {tensor for node in graph.node for tensor in (*node.input, *node.output)}
        assert not [tensor for tensor in tensors if "::" in tensor or tensor.isdigit()]

    def test_gives_the_same_answer_in_any_batch(self, name: str) -> None:
        if name not in PICTURES:
            tokens = np.random.default_rng(0).integers(0, len(class_names(name)), (3, 50))
            np.testing.assert_allclose(
                text_logits(tokens),
                np.concatenate([text_logits(tokens[i : i + 1]) for i in range(3)]),
                rtol=1e-4,
                atol=1e-4,
            )
            return
        _, channels, height, width = session_of(name).get_inputs()[0].shape
        batch = np.random.default_rng(0).random((3, channels, height, width), dtype=np.float32)
        together = logits_of(name, batch)
        alone = np.concatenate([logits_of(name, batch[i : i + 1]) for i in range(3)])
        np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-4)


def test_batch_normalization_is_kept_in_one_garment_model_and_folded_in_the_other() -> None:
    kept, folded = (Counter(node.op_type for node in graph_of(name).node) for name in FASHION)
    assert kept["BatchNormalization"] == kept["Conv"] == 5
    assert kept["Add"] == 0
    assert folded["BatchNormalization"] == 0
    assert folded["Add"] == 4


def test_the_kept_normalizations_have_seen_data() -> None:
    graph = graph_of("fashion_cnn")
    stored = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "BatchNormalization":
            mean, variance = stored[node.input[3]], stored[node.input[4]]
            assert mean.std() > 0.05  # An untrained one has mean 0 and variance 1 everywhere.
            assert variance.std() > 0.05
            assert variance.min() > 0


def test_lite0_computes_in_float32_from_weights_stored_as_float16() -> None:
    graph = graph_of("efficientnet_lite0")
    operators = Counter(node.op_type for node in graph.node)
    stored = {tensor.name: tensor for tensor in graph.initializer}
    weights = [tensor for tensor in graph.initializer if len(tensor.dims) >= 2]
    assert operators["BatchNormalization"] == 0
    assert len(weights) == operators["Conv"] + operators["Gemm"] == operators["Cast"] == 50
    assert {tensor.data_type for tensor in weights} == {onnx.TensorProto.FLOAT16}
    for node in graph.node:
        if node.op_type == "Cast":
            assert node.attribute[0].i == onnx.TensorProto.FLOAT
            assert node.input[0] in stored  # Only weights are cast, never an activation.


@pytest.mark.parametrize("name", FASHION)
def test_accuracy_on_the_sample_garments_agrees_with_the_card(name: str) -> None:
    images, labels = models.fashion_samples()
    right = int((logits_of(name, images[:, None].astype(np.float32) / 255).argmax(axis=1) == labels).sum())
    stated = card_of(name)["accuracy"]["value"]
    low, high = stats.binom.interval(0.999, len(labels), stated)
    assert stated >= 0.91
    assert low <= right <= high


def test_the_sample_garments_are_twenty_of_each_class() -> None:
    images, labels = models.fashion_samples()
    assert (images.dtype, images.shape) == (np.uint8, (200, 28, 28))
    assert np.bincount(labels).tolist() == [20] * 10
    assert images.reshape(200, -1).std(axis=1).min() > 10
    assert len(np.unique(images, axis=0)) == 200


@pytest.mark.parametrize("photo", models.photos(), ids=lambda path: path.stem)
def test_lite0_sees_what_is_on_the_photo(photo: Path) -> None:
    if photo.stem not in SUBJECTS:
        assert photo.stem in {"astronaut", "flower", "great_wall", "rocket", "sheep", "temple"}
        return
    names = class_names("efficientnet_lite0")
    (logits,) = logits_of("efficientnet_lite0", lite0_input(photo))
    best = [names[index] for index in logits.argsort()[::-1][:5]]
    assert SUBJECTS[photo.stem] & set(best), best


def test_lite0_needs_its_preprocessing() -> None:
    """The photographs tell right from wrong channels and scale, or the test above would assert little."""
    names = class_names("efficientnet_lite0")
    photos = {photo.stem: photo for photo in models.photos()}

    def confidence(change: Any) -> float:
        total = 0.0
        for stem, subjects in SUBJECTS.items():
            (logits,) = logits_of("efficientnet_lite0", change(lite0_input(photos[stem])))
            odds = np.exp(logits - logits.max())
            total += sum(odds[names.index(subject)] for subject in subjects) / odds.sum()
        return total / len(SUBJECTS)

    right = confidence(lambda tensor: tensor)
    assert right > 0.7
    assert confidence(lambda tensor: np.ascontiguousarray(tensor[:, ::-1])) < right - 0.05
    assert confidence(lambda tensor: (tensor + 1) / 2) < right - 0.05


class TestCharTransformer:
    def test_predicts_the_bundled_sentences_as_well_as_the_card_says(self) -> None:
        """The sentences are a sample of those that the card measured, so they tell how far off they may be."""
        accuracy = card_of("char_transformer")["accuracy"]
        characters, hits, bits = predicted(models.sentences()["in_distribution"]).T
        for total, stated in ((hits, accuracy["value"]), (bits, accuracy["bits_per_character"])):
            ratio = total.sum() / characters.sum()
            error = (total - ratio * characters).std(ddof=1) * len(total) ** 0.5 / characters.sum()
            assert abs(ratio - stated) < stats.t.ppf(0.9995, len(total) - 1) * error
            assert error < 0.05 * stated  # Or the line above would assert little.

    def test_finds_a_sentence_stranger_the_more_it_is_shuffled(self) -> None:
        sets = models.sentences()
        found = [
            bits_per_character(sets[kind])
            for kind in ("in_distribution", "words_shuffled", "characters_shuffled", "random")
        ]
        assert found[0] < 2.5
        assert min(np.diff(found)) > 0.3
        assert bits_per_character(sets["foreign"]) > found[0] + 1

    def test_does_not_look_ahead(self) -> None:
        tokens = models.encode("\n" + models.sentences()["in_distribution"][0])[None]
        before = text_logits(tokens)
        for place in (1, 20, tokens.shape[1] - 1):
            changed = tokens.copy()
            changed[0, place] = models.encode("k")[0]
            after = text_logits(changed)
            np.testing.assert_allclose(after[:, :place], before[:, :place], rtol=1e-5, atol=1e-5)
            assert np.abs(after[:, place] - before[:, place]).max() > 0.1

    @pytest.mark.parametrize("length", [1, 2, 127, CONTEXT])
    def test_takes_any_length_up_to_its_context(self, length: int) -> None:
        logits = text_logits(np.full((2, length), 5))
        assert logits.shape == (2, length, len(class_names("char_transformer")))
        assert np.isfinite(logits).all()

    def test_answers_an_error_beyond_its_context(self) -> None:
        with pytest.raises(Exception, match="Attempting to broadcast"):
            text_logits(np.full((1, CONTEXT + 1), 5))

    def test_looks_its_characters_up_in_one_plain_gather(self) -> None:
        graph = graph_of("char_transformer")
        (node,) = [node for node in graph.node if "tokens" in node.input and node.op_type == "Gather"]
        assert list(node.output) == ["/embedding/Gather_output_0"]
        assert list(node.input) == ["embedding.weight", "tokens"]

    def test_computes_in_float32_from_weights_stored_as_float16(self) -> None:
        graph = graph_of("char_transformer")
        weights = [
            tensor
            for tensor in graph.initializer
            if len(tensor.dims) >= 2 and tensor.data_type != onnx.TensorProto.BOOL
        ]
        casts = [node for node in graph.node if node.op_type == "Cast" and node.input[0].endswith(".float16")]
        assert {tensor.data_type for tensor in weights} == {onnx.TensorProto.FLOAT16}
        assert {node.input[0] for node in casts} == {tensor.name for tensor in weights}
        assert {node.attribute[0].i for node in casts} == {onnx.TensorProto.FLOAT}


class TestEncode:
    def test_goes_there_and_back(self) -> None:
        signs = {"<newline>": "\n", "<space>": " "}
        characters = [signs.get(line, line) for line in class_names("char_transformer")]
        text = "".join(characters[1:])
        assert models.encode(text).tolist() == list(range(1, len(characters)))
        for sentence in models.sentences()["in_distribution"]:
            assert "".join(characters[token] for token in models.encode(sentence)) == sentence

    def test_gives_the_unknown_token_for_characters_outside_the_vocabulary(self) -> None:
        assert class_names("char_transformer")[0] == "<unknown>"
        assert models.encode("é7\t漢<").tolist() == [0] * 5

    def test_gives_no_tokens_for_no_text(self) -> None:
        tokens = models.encode("")
        assert (tokens.dtype, tokens.shape) == (np.int64, (0,))


class TestSentences:
    def test_are_forty_of_each_kind_known_and_short_enough(self) -> None:
        sets = models.sentences()
        assert list(sets) == ["in_distribution", "words_shuffled", "characters_shuffled", "foreign", "random"]
        for sentences in sets.values():
            assert len(set(sentences)) == 40
            assert all(models.encode(sentence).all() for sentence in sentences)
            assert all(40 <= len(sentence) < CONTEXT for sentence in sentences)

    def test_are_the_same_ones_shuffled(self) -> None:
        sets = models.sentences()
        for ordinary, words, characters, drawn in zip(
            sets["in_distribution"],
            sets["words_shuffled"],
            sets["characters_shuffled"],
            sets["random"],
            strict=True,
        ):
            assert sorted(words.split(" ")) == sorted(ordinary.split(" "))
            assert sorted(characters) == sorted(ordinary)
            assert len({ordinary, words, characters, drawn}) == 4
            assert len(drawn) == len(ordinary)


class TestPhotos:
    def test_are_many_small_and_in_colour(self) -> None:
        photos = models.photos()
        assert 20 <= len(photos) <= 24
        assert sum(photo.stat().st_size for photo in photos) < 1_000_000
        for photo in photos:
            with Image.open(photo) as picture:
                assert (picture.format, picture.mode) == ("JPEG", "RGB")
                assert 300 <= max(picture.size) <= 400
                assert min(picture.size) >= 200

    def test_are_credited_each_under_a_free_licence(self) -> None:
        photos = models.photos()
        text = (photos[0].parent / "CREDITS.md").read_text("utf-8")
        rows = [
            [cell.strip() for cell in row.split("|")[1:-1]] for row in re.findall(r"^\| `.*$", text, re.M)
        ]
        assert sorted(row[0].strip("`") for row in rows) == [photo.name for photo in photos]
        for _, subject, author, licence, source, package, changes in rows:
            assert subject
            assert author
            assert licence in LICENCES
            assert source.startswith("https://") or package == "scikit-image"
            assert package in {"scikit-image", "scikit-learn", "gcompris-qt-data"}
            assert "JPEG" in changes
        attributed = {author for _, _, author, licence, *_ in rows if licence == "CC BY 2.0"}
        assert attributed == {"danielbuechele", "vultilion"}


def test_the_readme_states_what_the_cards_state() -> None:
    text = models.path("fashion_cnn").with_name("README.md").read_text("utf-8")
    for name in NAMES:
        (row,) = re.findall(rf"^\| `{name}` .*$", text, re.M)
        percent = card_of(name)["accuracy"]["value"] * 100
        assert f"{percent:.2f}%" in row or f"{percent:.1f}%" in row
    assert str(len(SUBJECTS)) + " whose subject" in text


def test_the_sample_file_holds_no_pickles() -> None:
    samples = models.path("fashion_cnn").with_name("fashion_samples.npz")
    with zipfile.ZipFile(samples) as archive:
        assert sorted(archive.namelist()) == ["images.npy", "labels.npy"]
    with np.load(samples, allow_pickle=False) as content:
        assert {content["images"].dtype, content["labels"].dtype} == {np.dtype(np.uint8)}
