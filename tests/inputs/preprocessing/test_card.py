import json
import os
from pathlib import Path
from typing import Any

import pytest

from onnx_ood.exceptions import UsageError
from onnx_ood.inputs import Accuracy, Preprocessing, choose, read_card

CARD: dict[str, Any] = {
    "format": 1,
    "name": "digits",
    "summary": "Ten digits.",
    "origin": "Trained here.",
    "licence": "MIT",
    "made_by": "train.py",
    "sha256": "0" * 64,
    "opset": 17,
    "parameters": 12345,
    "accuracy": {"value": 0.98, "set": "test split", "how": "top-1"},
    "classes": "digits.txt",
    "preprocessing": {
        "channels": "L", "layout": "NCHW", "size": [28, 28], "resize": "stretch", "mean": [0.5], "std": [0.5],
    },
}  # fmt: skip


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "digits.txt").write_text("zero\none\ntwo\n", encoding="utf-8")
    return tmp_path / "digits.onnx"


def write(model: Path, content: object) -> None:
    model.with_suffix(".json").write_text(
        content if isinstance(content, str) else json.dumps(content), encoding="utf-8"
    )


def complaint(model: Path) -> str:
    with pytest.raises(UsageError) as caught:
        read_card(model)
    message = str(caught.value)
    assert message.isprintable()
    head = f"{model.with_suffix('.json').as_posix()}: "
    assert message.startswith(head)
    return message.removeprefix(head)


def test_a_card_is_read(model: Path) -> None:
    write(model, CARD | {"unknown key": [1, 2]})
    card = read_card(model)
    assert card is not None
    assert (card.name, card.licence, card.opset, card.parameters) == ("digits", "MIT", 17, 12345)
    assert card.accuracy == Accuracy(value=0.98, set="test split", how="top-1")
    assert card.preprocessing == Preprocessing(
        channels="L", layout="NCHW", size=(28, 28), resize="stretch", mean=(0.5,), std=(0.5,)
    )
    assert card.path == model.with_suffix(".json")
    assert card.class_names() == ["zero", "one", "two"]


def test_the_least_a_card_can_be(model: Path) -> None:
    write(model, "\ufeff" + json.dumps({"format": 1, "name": "x", "preprocessing": None}))
    card = read_card(model)
    assert card is not None
    assert card.preprocessing is None
    assert card.class_names() is None


def test_no_card(model: Path, tmp_path: Path) -> None:
    assert read_card(model) is None
    assert read_card(tmp_path / "nowhere/model.onnx") is None


@pytest.mark.parametrize(
    "content",
    [{}, [], 3, "null", '"text"', {"format": 1}, {"preprocessing": {}}, {"labels": ["a", "b"]}, [CARD]],
)
def test_another_program_s_json_is_no_card(model: Path, content: object) -> None:
    write(model, content)
    assert read_card(model) is None


def test_a_json_too_large_for_a_card_is_none(model: Path) -> None:
    write(model, json.dumps(CARD) + " " * (1 << 20))
    assert read_card(model) is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "format: expected 1"),
        ({"name": None}, "name: expected text"),
        ({"sha256": "xyz"}, "sha256: "),
        ({"opset": 0}, "opset: "),
        ({"accuracy": {"value": 98, "set": "s"}}, "accuracy.value: expected 1 or less"),
        ({"preprocessing": {}}, "preprocessing.channels: missing"),
        (
            {"preprocessing": CARD["preprocessing"] | {"gamma": 2}},
            "preprocessing.gamma: unknown key; choose from channels, layout, size, ",
        ),
        (
            {"preprocessing": CARD["preprocessing"] | {"mean": [0.1, 0.2]}},
            "preprocessing: mean has 2 values; L takes one",
        ),
        ({"preprocessing": CARD["preprocessing"] | {"std": [0]}}, "preprocessing.std.0: "),
        ({"preprocessing": CARD["preprocessing"] | {"mean": [float("nan")]}}, "preprocessing.mean.0: "),
    ],
)
def test_a_broken_card_is_a_usage_error_that_names_file_and_key(
    model: Path, change: dict[str, Any], message: str
) -> None:
    write(model, CARD | change)
    assert complaint(model).startswith(message)


@pytest.mark.parametrize(
    "content",
    ["{", "", "{'format': 1}", "[" * 100_000, "\0", '{"format": ' + "9" * 10_000 + "}", '{"a": 1,}'],
)
def test_what_is_no_json_is_said_and_never_crashes(model: Path, content: str) -> None:
    write(model, content)
    assert "JSON" in complaint(model)


def test_a_card_that_is_no_text_or_no_file(model: Path) -> None:
    path = model.with_suffix(".json")
    path.write_bytes(b"\xff\xfe{}")
    assert complaint(model).endswith("is not UTF-8 text; save it as UTF-8")
    path.unlink()
    path.mkdir()
    assert complaint(model) == "is a folder, not a file"
    path.rmdir()
    os.mkfifo(path)
    assert complaint(model) == "is not a regular file (a pipe or a device)"


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/b", "..", ".", "", "C:x", "a\\b", "a\0b"])
def test_class_names_never_come_from_another_folder(model: Path, name: str) -> None:
    write(model, CARD | {"classes": name})
    card = read_card(model)
    assert card is not None
    with pytest.raises(UsageError, match=r"classes: .* must be the name of a file in the card's folder"):
        card.class_names()


def test_class_names_never_come_through_a_link_out_of_the_folder(model: Path, tmp_path: Path) -> None:
    home = tmp_path / "models"
    home.mkdir()
    (tmp_path / "secret.txt").write_text("root\n", encoding="utf-8")
    (home / "digits.txt").symlink_to(tmp_path / "secret.txt")
    write(home / "digits.onnx", CARD)
    card = read_card(home / "digits.onnx")
    assert card is not None
    with pytest.raises(UsageError, match="is a link that leads out of the card's folder"):
        card.class_names()


def test_class_names_that_cannot_be_read(model: Path) -> None:
    write(model, CARD)
    card = read_card(model)
    assert card is not None
    names = model.with_name("digits.txt")
    names.write_bytes(b"a\n" * (1 << 20))
    with pytest.raises(UsageError, match=r"classes: .*over the limit"):
        card.class_names()
    names.write_bytes(b"\xff")
    with pytest.raises(UsageError, match=r"classes: .*not UTF-8"):
        card.class_names()
    names.unlink()
    with pytest.raises(UsageError, match=r"classes: .*no such file"):
        card.class_names()


def test_class_names_keep_their_line_numbers(model: Path) -> None:
    write(model, CARD)
    model.with_name("digits.txt").write_bytes("a b\r\n\r\nç\n\n".encode())
    card = read_card(model)
    assert card is not None
    assert card.class_names() == ["a b", "", "ç"]


def test_the_user_s_word_goes_before_the_card_and_the_card_before_a_guess(model: Path) -> None:
    write(model, CARD)
    card = read_card(model)
    assert card is not None
    shape = ["N", 1, 28, 28]
    stated = choose(shape, text="unit", card=card)
    assert (stated.source, stated.preprocessing.mean) == ("stated: unit", (0.0,))
    by_card = choose(shape, card=card)
    assert by_card.source == f"card {model.with_suffix('.json').as_posix()}"
    assert by_card.preprocessing == card.preprocessing
    assert choose(shape).source.startswith("guessed")
    assert choose(shape, card=card.model_copy(update={"preprocessing": None})).source.startswith("guessed")


def test_a_card_that_does_not_suit_the_model_is_named(model: Path) -> None:
    write(model, CARD)
    card = read_card(model)
    with pytest.raises(
        UsageError, match=r"digits.json: the preprocessing gives \[N,1,28,28\], but the model takes"
    ):
        choose(["N", 3, 224, 224], card=card)


def test_a_blank_first_line_shifts_no_class_name(model: Path) -> None:
    write(model, CARD)
    model.with_name("digits.txt").write_text("\n\none\ntwo\n\n\n", encoding="utf-8")
    card = read_card(model)
    assert card is not None
    names = card.class_names()
    assert names == ["", "", "one", "two"]
    assert names[2] == "one"
