"""Models whose outputs hold NaN: the mask against numpy, and inputs of all sets against onnxruntime."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import small_models

import onnx_ood
from onnx_ood.evidence.finite_outputs import finite_outputs
from onnx_ood.exceptions import TooFewReferencesError

REASON = "the model gives NaN or infinity for it"


@pytest.fixture
def model(save: Callable[..., Path]) -> Path:
    """Model whose second output is NaN for inputs with a negative class score, and whose features are finite."""
    text = """t (float[N, 6] x) => (float[N, 4] logits, float[N, 4] logs) {
        h = MatMul (x, w) r = Relu (h) logits = MatMul (r, v) logs = Log (logits) }"""
    return save(
        small_models.build(text, {"w": small_models.normal(6, 16), "v": small_models.normal(16, 4) + 0.3})
    )


@pytest.fixture
def rows(model: Path) -> tuple[np.ndarray, np.ndarray]:
    """Inputs with finite outputs, and inputs without."""
    found = np.random.default_rng(0).normal(size=(400, 6)).astype(np.float32)
    logs = onnxruntime.InferenceSession(model).run(["logs"], {"x": found})[0]
    good = np.isfinite(logs).all(axis=1)
    return found[good][:24], found[~good][:24]


def test_an_output_is_usable_without_nan_and_infinity() -> None:
    values = np.array([[1, 2], [0, -np.inf], [3, np.nan], [np.inf, 1], [-np.inf, -np.inf]])
    found = finite_outputs({"y": values, "labels": np.array(list("abcde"))}, 5)
    np.testing.assert_array_equal(found, [True, True, False, False, False])
    np.testing.assert_array_equal(finite_outputs({}, 2), [True, True])


def test_references_without_finite_outputs_are_failed(
    model: Path, rows: tuple[np.ndarray, np.ndarray]
) -> None:
    good, bad = rows
    found = onnx_ood.score(model, good, reference=np.concatenate([good, bad[:3]]), cache=False)
    assert found.detector_summary is not None
    assert found.detector_summary.references == 24
    assert any("3 references could not be measured" in note and REASON in note for note in found.notes)
    plain = onnx_ood.score(model, good, reference=good, cache=False)
    assert [one.scores for one in found] == [one.scores for one in plain]
    with pytest.raises(TooFewReferencesError, match=f"9 references could be measured.*{REASON}"):
        onnx_ood.score(model, good, reference=np.concatenate([good[:9], bad]), cache=False)


@pytest.mark.parametrize("cached", [False, True])
def test_inputs_of_sets_without_finite_outputs_are_failed(
    model: Path, rows: tuple[np.ndarray, np.ndarray], tmp_path: Path, *, cached: bool
) -> None:
    good, bad = rows
    for _ in range(1 + cached):
        found = onnx_ood.bench(
            model,
            np.concatenate([bad[:2], good[:12]]),
            {"far": np.concatenate([good[12:], bad[:5]])},
            reference=good,
            detectors="msp",
            cache=tmp_path / "cache" if cached else False,
        )
        assert (found.id, [one.id for one in found.failed]) == (12, ["id[0]", "id[1]"])
        assert {one.reason for one in (*found.failed, *found.sets[0].failed)} == {REASON}
        assert (found.sets[0].inputs, len(found.sets[0].failed)) == (12, 5)


def test_directions_and_sensitivity_leave_them_out(model: Path, rows: tuple[np.ndarray, np.ndarray]) -> None:
    good, bad = rows
    swept = onnx_ood.directions(
        model, np.concatenate([bad[:2], good[:12]]), {"far": good[12:]}, scales=(0.05,)
    )
    assert (swept.id, [one.id for one in swept.failed]) == (12, ["id[0]", "id[1]"])
    felt = onnx_ood.sensitivity(model, np.concatenate([bad[:2], good[:2]]), directions=2)
    assert [one.id for one in felt.models[0].failed] == ["inputs[0]", "inputs[1]"]
