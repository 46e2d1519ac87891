"""Kinds of models that people run: types, default probes and site of each, against what onnxruntime returns."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from families import FAMILIES, optimised, ort_format

import onnx_ood
from onnx_ood import models
from onnx_ood.evidence.site_choice import choose_site
from onnx_ood.graph import suggest_probes
from onnx_ood.runtime import find_fed_input

each = pytest.mark.parametrize("name", FAMILIES)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    folder = tmp_path_factory.mktemp("families")
    return {name: family.make(folder) for name, family in FAMILIES.items()}


@each
def test_every_type_is_that_of_the_values(name: str, written: Mapping[str, Path]) -> None:
    model = onnx_ood.load(written[name])
    watched = onnx_ood.instrument(model, probes="all")
    assert set(watched.refused) == set(FAMILIES[name].refused)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(
        watched.model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    values = dict(
        zip(
            [output.name for output in session.get_outputs()],
            session.run(None, FAMILIES[name].feeds()),
            strict=True,
        )
    )
    known = {tensor.name: tensor for tensor in model.all_tensors}
    tensors = {
        path: output for path, output in watched.outputs.items() if not isinstance(values[output], list)
    }
    assert {path: known[path].dtype for path in tensors} == {
        path: str(values[output].dtype) for path, output in tensors.items()
    }
    for path, output in tensors.items():
        shape = known[path].shape
        # A branch that is not taken gives an empty value, and iterations of a loop are stacked.
        rank = values[output].ndim - known[path].scope.endswith("/body")
        assert shape is None or len(shape) == rank or not values[output].size


@each
def test_default_probes_and_site_are_found(name: str, written: Mapping[str, Path]) -> None:
    model = onnx_ood.load(written[name])
    assert len(suggest_probes(model)) == FAMILIES[name].probes
    assert choose_site(model, None, {})[0].name == FAMILIES[name].site


@pytest.mark.parametrize(
    ("name", "axis"),
    [
        ("time-first LSTM", 1),
        ("speech from text, random, length by durations (as VITS)", 0),
        ("speech from text, length by a Loop (as FastSpeech)", None),
        ("graph network", None),
    ],
)
def test_the_batch_axis_is_found(name: str, axis: int | None, written: Mapping[str, Path]) -> None:
    model = onnx_ood.load(written[name])
    assert find_fed_input(model, model.inputs[0]).batch_axis == axis


def test_frames_of_one_sentence_are_no_class_scores(written: Mapping[str, Path], tmp_path: Path) -> None:
    """A sentence has no batch axis, so its [frames, 10] are one answer and not scores of each frame."""
    for length in range(3, 25):
        np.save(tmp_path / f"{length}.npy", np.random.default_rng(length).integers(0, 20, length))
    files = sorted(tmp_path.glob("*.npy"), key=lambda path: int(path.stem))
    path = written["speech from text, length by a Loop (as FastSpeech)"]
    result = onnx_ood.score(path, files[12:], reference=files[:12], provider="cpu", copies=2, cache=False)
    assert (result.scored, result.failed) == (10, ())
    assert any("without its uncertainty term: its scores are several rows" in note for note in result.notes)
    assert all(entry.prediction is None for entry in result.inputs)


def test_a_tree_ensemble_is_said_to_have_no_activity(written: Mapping[str, Path]) -> None:
    rows = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
    path = written["XGBoost, ai.onnx.ml alone"]
    result = onnx_ood.score(path, rows[20:], reference=rows[:20], provider="cpu", copies=2, cache=False)
    assert any(
        "without its activity and alteration terms: the model has no layers" in one for one in result.notes
    )


def test_the_format_of_the_runtime_is_named_and_its_way_back_works(tmp_path: Path) -> None:
    path = ort_format(tmp_path)
    with pytest.raises(onnx_ood.ModelError, match=r"own format \(\.ort\)") as refused:
        onnx_ood.load(path)
    for part in ("ORT_DISABLE_ALL", "optimized_model_filepath", "'session.save_model_format', 'ONNX'"):
        assert part in str(refused.value)
    back = optimised(path, tmp_path / "back.onnx", "ORT_DISABLE_ALL", session__save_model_format="ONNX")
    feeds = FAMILIES["QOperator residual network"].feeds()
    found = [
        onnxruntime.InferenceSession(str(one), providers=["CPUExecutionProvider"]).run(None, feeds)[0]
        for one in (onnx_ood.load(back).path, models.path("fashion_resnet"))
    ]
    np.testing.assert_allclose(*found, rtol=1e-4, atol=1e-4)
