"""Notes on models whose outputs depend on more than the input."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import small_models

import onnx_ood
from onnx_ood.evidence.model_notes import branching_notes, randomness_notes, stored_randomness_notes
from onnx_ood.runtime import find_fed_input


def test_random_models_are_noted_with_their_operators(save: Callable[..., Path]) -> None:
    assert randomness_notes(()) == ()
    (note,) = randomness_notes(("Bernoulli", "Multinomial"))
    assert "different outputs for the same input (Bernoulli, Multinomial)" in note
    noisy = small_models.build(
        "n (float[N, 4] x) => (float[N, 4] y) { e = RandomNormalLike (x) y = Add (x, e) }"
    )
    (stored,) = stored_randomness_notes(onnx_ood.load(save(noisy)))
    assert "(RandomNormalLike)" in stored
    assert stored_randomness_notes(onnx_ood.load(save(small_models.classifier()))) == ()


def branching(batch: str, by: str = "x") -> onnx.ModelProto:
    """Above a sum of 8 over the whole batch, values are doubled."""
    return small_models.build(
        f"""g (float[{batch}, 4] x) => (float[{batch}, 4] y) {{
            n = Size (x)  size = Cast <to = 1> (n)  total = ReduceSum <keepdims = 0> (x)
            on = Greater ({"total" if by == "x" else "size"}, limit)
            z = Relu (x)
            y = If (on) <then_branch = t () => (float[{batch}, 4] p) {{ p = Add (z, z) }},
                else_branch = e () => (float[{batch}, 4] q) {{ q = Identity (z) }}>
        }}""",
        {"limit": np.float32(8)},
    )


@pytest.mark.parametrize(
    ("batch", "by", "noted"), [("2", "x", True), ("1", "x", False), ("N", "x", False), ("2", "size", False)]
)
def test_inputs_of_a_fixed_batch_that_share_a_branch_are_noted(
    batch: str, by: str, noted: bool, save: Callable[..., Path]
) -> None:
    path = save(branching(batch, by))
    model = onnx_ood.load(path)
    assert bool(branching_notes(model, find_fed_input(model, model.inputs[0]))) == noted
    if noted:
        # The claim itself: company changes the branch.
        session = onnxruntime.InferenceSession(path)
        quiet, loud = np.ones(4, np.float32), np.full(4, 5, np.float32)
        alone, beside = (session.run(None, {"x": np.stack([quiet, other])})[0][0] for other in (quiet, loud))
        assert alone.tolist() != beside.tolist()


def test_reports_have_the_note(save: Callable[..., Path]) -> None:
    path = save(branching("2"))
    rows = np.random.default_rng(0).random((12, 4), np.float32)
    rows[:, 0] += 1
    notes = [
        onnx_ood.score(path, rows, copies=2, detectors="deviation").notes,
        onnx_ood.sensitivity(path, rows, directions=2, trajectories=0).models[0].notes,
    ]
    assert all(any("choose a branch of an If" in note for note in one) for one in notes)
