"""Lines of text as tokens, against the tokenizer itself."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import onnx_ood
from onnx_ood.exceptions import InputError
from onnx_ood.inputs import Reader, RowRequest, open_inputs
from onnx_ood.inputs.rows.texts import find_tokenizer, open_text, role_of

LINES = ["a dog", "the dog sees a cat", "cat", "the the the"]
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "the", "dog", "cat", "sees"]
NAMES = ("input_ids", "attention_mask", "token_type_ids")


def save_tokenizer(folder: Path) -> Any:
    tokenizers = pytest.importorskip("tokenizers")
    made = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({word: at for at, word in enumerate(WORDS)}, unk_token="[UNK]")
    )
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    made.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    made.save(str(folder / "tokenizer.json"))
    return made


def requests(tokenizer: Path | None, size: Any = "S") -> list[RowRequest]:
    return [RowRequest(name, ("N", size), np.dtype(np.int64), tokenizer=tokenizer) for name in NAMES]


def batches(folder: Path, size: Any = "S") -> Any:
    (folder / "x.txt").write_text("\n".join(LINES) + "\n")
    first, *others = requests(folder / "tokenizer.json", size)
    return list(
        Reader(
            open_inputs(folder / "x.txt"), preprocessing=None, input_name=first.name, input_shape=first.shape,
            dtype=first.dtype, others=others, tokenizer=first.tokenizer,
        )
    )  # fmt: skip


def test_a_line_is_an_input_with_its_mask_and_types(tmp_path: Path) -> None:
    tokenizer = save_tokenizer(tmp_path)
    found = batches(tmp_path)
    ids = [name for batch in found for name in batch.ids]
    assert ids == [f"{(tmp_path / 'x.txt').as_posix()}[{k}]" for k in range(4)]
    rows = [
        (row, {n: v[at] for n, v in batch.others.items()})
        for batch in found
        for at, row in enumerate(batch.tensors)
    ]
    for line, (row, others) in zip(LINES, rows, strict=True):
        encoded = tokenizer.encode(line)
        assert row.tolist() == encoded.ids
        assert others["attention_mask"].tolist() == encoded.attention_mask
        assert others["token_type_ids"].tolist() == encoded.type_ids


def test_lines_are_padded_and_cut_for_a_fixed_number_of_tokens(tmp_path: Path) -> None:
    tokenizer = save_tokenizer(tmp_path)
    (batch,) = batches(tmp_path, 5)
    for line, row, mask in zip(LINES, batch.tensors, batch.others["attention_mask"], strict=True):
        whole = tokenizer.encode(line).ids
        kept = whole if len(whole) <= 5 else [*whole[:4], 3]  # special tokens stay
        assert row.tolist() == kept + [0] * (5 - len(kept))
        assert mask.tolist() == [1] * len(kept) + [0] * (5 - len(kept))


def test_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.txt").write_text("a\n\nb\n")
    first, *others = requests(None)
    with pytest.raises(InputError, match=r"there is no tokenizer\.json next to the model"):
        open_text(tmp_path / "x.txt", first, others)
    pixels = RowRequest("x", ("N", 3, 8, 8), np.dtype(np.float32))
    with pytest.raises(InputError, match=r"is text, but the model's input 'x' takes float32 \[N,3,8,8\]"):
        open_text(tmp_path / "x.txt", pixels)
    (tmp_path / "tokenizer.json").write_text("{}")
    first, *others = requests(tmp_path / "tokenizer.json")
    if "tokenizers" in sys.modules:
        with pytest.raises(InputError, match="cannot be read as a tokenizer"):
            open_text(tmp_path / "x.txt", first, others)
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(InputError, match=r"pip install 'onnx_ood\[text\]'"):
        open_text(tmp_path / "x.txt", first, others)


def test_an_empty_line_fails_by_name(tmp_path: Path) -> None:
    save_tokenizer(tmp_path)
    (tmp_path / "x.txt").write_text("a\n\ncat\n")
    rows, _ = open_text(tmp_path / "x.txt", requests(tmp_path / "tokenizer.json")[0])
    with pytest.raises(InputError, match="is an empty line"):
        rows.rows(1, 2)
    assert rows.rows(2, 3).tolist() == [[2, 7, 3]]


def test_roles_and_places(tmp_path: Path) -> None:
    assert [role_of(name) for name in (*NAMES, "position_ids", "tokens")] == [
        "ids",
        "mask",
        "types",
        "positions",
        "ids",
    ]
    (tmp_path / "onnx").mkdir()
    assert find_tokenizer(tmp_path / "onnx" / "model.onnx") is None
    (tmp_path / "tokenizer.json").write_text(json.dumps({}))
    assert find_tokenizer(tmp_path / "onnx" / "model.onnx") == tmp_path / "tokenizer.json"


def language_model(path: Path) -> Path:
    """Mean of masked embeddings, a ReLU, and two classes."""
    random = np.random.default_rng(0)
    weights = {
        "e": random.normal(size=(9, 6)),
        "t": random.normal(size=(2, 6)),
        "w": random.normal(size=(6, 2)),
    }
    nodes = [
        helper.make_node("Gather", ["e", "input_ids"], ["words"]),
        helper.make_node("Gather", ["t", "token_type_ids"], ["kinds"]),
        helper.make_node("Add", ["words", "kinds"], ["sum"]),
        helper.make_node("Relu", ["sum"], ["active"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "axis"], ["wide"]),
        helper.make_node("Mul", ["active", "wide"], ["masked"]),
        helper.make_node("ReduceMean", ["masked"], ["pooled"], axes=[1], keepdims=0),
        helper.make_node("MatMul", ["pooled", "w"], ["logits"]),
    ]
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["N", "S"]) for name in NAMES]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 2])]
    stored = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()]
    stored.append(numpy_helper.from_array(np.array([2]), "axis"))
    graph = helper.make_graph(nodes, "g", inputs, outputs, stored)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def test_sentences_are_scored(tmp_path: Path) -> None:
    tokenizer = save_tokenizer(tmp_path)
    model = language_model(tmp_path / "m.onnx")
    (tmp_path / "x.txt").write_text("\n".join(LINES))
    result = onnx_ood.score(model, tmp_path / "x.txt", detectors="energy", copies=2)
    assert result.scored == 4
    # The same tokens as an array, line by line: without padding mask and types are known.
    ids = [np.array([tokenizer.encode(line).ids]) for line in LINES]
    scores = {entry.id.rpartition("[")[2]: entry.scores[0] for entry in result.inputs}
    for at, one in enumerate(ids):
        np.save(tmp_path / "one.npy", one)
        alone = onnx_ood.score(model, tmp_path / "one.npy", detectors="energy", copies=2)
        assert alone.inputs[0].scores[0] == pytest.approx(scores[f"{at}]"], rel=1e-5)
        assert any("attention_mask=ones and token_type_ids=zeros was fed" in note for note in alone.notes)
