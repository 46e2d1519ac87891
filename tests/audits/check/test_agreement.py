"""Agreement of two models, counted by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import small_models
from check_files import CNN, write_garments

import onnx_ood
from onnx_ood.audits.check.agreement import compare_answers
from onnx_ood.exceptions import NotEvaluatedError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_garments(tmp_path_factory.mktemp("check"))


def test_an_input_that_only_one_model_answers_is_a_disagreement(folder: Path) -> None:
    settings = onnx_ood.ScoreSettings(detectors=("deviation",), copies=1, provider="cpu")
    one = onnx_ood.score(CNN, [str(folder / "garments.npy")], settings)
    assert compare_answers(one, one) == (20, 20)
    lacking = one.model_copy(update={"inputs": one.inputs[:15]})
    assert compare_answers(one, lacking) == compare_answers(lacking, one) == (15, 20)
    turned = one.inputs[0].prediction.model_copy(update={"index": 99})
    changed = (one.inputs[0].model_copy(update={"prediction": turned}), *one.inputs[1:])
    assert compare_answers(one, one.model_copy(update={"inputs": changed})) == (19, 20)
    silent = tuple(entry.model_copy(update={"prediction": None}) for entry in one.inputs)
    with pytest.raises(NotEvaluatedError, match="class scores"):
        compare_answers(one, one.model_copy(update={"inputs": silent}))
    nothing = one.model_copy(update={"inputs": ()})
    with pytest.raises(NotEvaluatedError, match="neither"):
        compare_answers(nothing, nothing)


def _classifier(path: Path, order: list[int], outputs: str, tail: str = "") -> Path:
    """A linear classifier of features, whose classes are in another order, with more than one output."""
    weights = {
        "w": small_models.normal(8, 6, seed=1),
        "v": small_models.normal(6, 3, seed=2)[:, order],
        "names": np.array(["ant", "bee", "cow"])[order],
    }
    text = f"net (float[N, 8] x) => ({outputs}) {{ h = MatMul (x, w) f = Relu (h) y = MatMul (f, v) {tail} }}"
    onnx.save(small_models.build(text, weights, ("ai.onnx.ml",)), path)
    return path


FEATURES_FIRST = "float[N, 6] f, float[N, 3] y"
LABEL_FIRST = "int64[N] label, float[N, 3] y"
LABELLED = "label = ArgMax <axis = 1, keepdims = 0> (y)"
NAMED = "a = ArgMax <axis = 1, keepdims = 0> (y) label = ai.onnx.ml.ArrayFeatureExtractor (names, a)"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        # The features agree in all inputs, the classes in none.
        (([0, 1, 2], FEATURES_FIRST), ([1, 2, 0], FEATURES_FIRST), 0),
        (([0, 1, 2], FEATURES_FIRST), ([0, 1, 2], LABEL_FIRST, LABELLED), 20),
        (([1, 2, 0], LABEL_FIRST, LABELLED), ([0, 1, 2], LABEL_FIRST, LABELLED), 0),
        # Named classes are the same in whatever order.
        (([1, 2, 0], "string[N] label", NAMED), ([0, 1, 2], "string[N] label", NAMED), 20),
    ],
)
def test_answers_are_compared_not_first_outputs(tmp_path: Path, one, other, same: int) -> None:
    rows = small_models.normal(20, 8, seed=5)
    settings = onnx_ood.ScoreSettings(detectors=("deviation",), probes=("f",), copies=1, provider="cpu")
    results = [
        onnx_ood.score(_classifier(tmp_path / f"{i}.onnx", *model), rows, settings)
        for i, model in enumerate((one, other))
    ]
    assert compare_answers(*results) == (same, 20)


def test_several_answers_are_not_evaluated_until_one_is_named(tmp_path: Path) -> None:
    rows = small_models.normal(20, 8, seed=5)
    settings = onnx_ood.ScoreSettings(detectors=("deviation",), probes=("f",), copies=1, provider="cpu")
    model = _classifier(tmp_path / "m.onnx", [0, 1, 2], "float[N, 3] y, float[N, 8] z", "z = MatMul (x, e)")
    proto = onnx.load(model)
    proto.graph.initializer.append(onnx.numpy_helper.from_array(np.eye(8, dtype=np.float32), "e"))
    onnx.save(proto, model)
    found = onnx_ood.score(model, rows, settings)
    assert any("several outputs may be the answer" in note for note in found.notes)
    with pytest.raises(NotEvaluatedError, match=r"several outputs may be the answer \('y', 'z'\)"):
        compare_answers(found, found)
    named = onnx_ood.score(model, rows, settings.replaced(answer="z"))
    answers = {one.id: one.prediction.index for one in named.inputs}
    assert [answers[f"inputs[{i}]"] for i in range(20)] == rows.argmax(axis=1).tolist()
