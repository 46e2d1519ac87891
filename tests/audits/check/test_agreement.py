"""Agreement of two models, counted by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
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
