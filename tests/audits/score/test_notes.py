"""Notes of a score: when each is given."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import small_models

import onnx_ood
from onnx_ood import models
from onnx_ood.audits.score import notes
from onnx_ood.audits.score.result import DetectorSummary, UsedDetector
from onnx_ood.graph import Rounding
from onnx_ood.inputs import open_inputs
from onnx_ood.reports.score.facts import score_warnings


def summary(**values: object) -> SimpleNamespace:
    given = {
        "fpr": 0.05,
        "fdr": None,
        "flags": True,
        "smallest_p": 0.01,
        "reference": "given",
        "references": 30,
    } | values
    return SimpleNamespace(detectors=(SimpleNamespace(name="energy"),), **given)


def test_inputs_that_cannot_be_compared_are_noted() -> None:
    compared, listed, ranked = (
        SimpleNamespace(deviation=deviation, rank=rank, scores=())
        for deviation, rank in ((1.0, 1), (None, None), (None, 1))
    )
    assert notes.rank_notes([], nudged=True) == notes.rank_notes([compared], nudged=True) == []
    assert "listed as given, without a rank" in notes.rank_notes([listed], nudged=True)[0]
    assert "have no deviation" in notes.rank_notes([ranked], nudged=True)[0]
    assert notes.rank_notes([ranked] * 7, nudged=True)[0].startswith("Fewer than 8 inputs")
    assert notes.rank_notes([ranked] * 8, nudged=True)[0].startswith("The drops of all inputs are equal")
    assert notes.rank_notes([ranked] * 8, nudged=False) == []


def test_equal_scores_are_noted() -> None:
    def results(*scores: float) -> list[SimpleNamespace]:
        return [SimpleNamespace(deviation=1.0, rank=i, scores=(one, i)) for i, one in enumerate(scores)]

    assert notes.rank_notes(results(0.5, 0.5, 0.5), nudged=True) == [
        "All inputs have the same score: their order means nothing."
    ]
    assert (
        notes.rank_notes(results(0.5, 0.5, 0.6), nudged=True)
        == notes.rank_notes(results(0.5), nudged=True)
        == []
    )


def test_references_that_are_too_few_or_among_the_inputs_are_noted() -> None:
    nothing = open_inputs([])
    assert notes.detector_notes(None, nothing) == notes.detector_notes(summary(), nothing) == []
    (note,) = notes.detector_notes(summary(flags=False, smallest_p=1 / 11), nothing)
    assert "no p-value is below 0.091" in note
    photo = models.photos()[0]
    (note,) = notes.detector_notes(summary(reference="bundled"), open_inputs([str(photo), "other.png"]))
    assert note.startswith("1 of the inputs")


def test_flags_out_of_the_order_of_ranks_are_explained() -> None:
    def inputs(*flags: bool | None) -> list[SimpleNamespace]:
        return [SimpleNamespace(flagged=flag) for flag in flags]

    assert notes.order_notes(summary(), inputs(True, True, False)) == []
    assert notes.order_notes(summary(), inputs(None, None)) == []
    (few,) = notes.order_notes(summary(), inputs(True, False, True))
    assert "with fewer than 60 references p-values use only part of the score" in few
    (rate,) = notes.order_notes(summary(references=80), inputs(True, False, True))
    assert "with so few references for this rate" in rate


def test_runs_that_differ_from_the_settings_are_noted() -> None:
    plain, tf32 = onnx_ood.ScoreSettings(provider="cpu"), onnx_ood.ScoreSettings(provider="cuda", tf32=True)
    run = SimpleNamespace(tf32=False, fallback_nodes=(), random_operators=())
    assert notes.run_notes(plain, run) == []
    assert "TF32 was requested" in notes.run_notes(tf32, run)[0]
    run.fallback_nodes = ("added",)
    assert "added" in notes.run_notes(plain, run)[0]
    run.random_operators = ("Bernoulli",)
    assert "different outputs for the same input (Bernoulli)" in notes.run_notes(plain, run)[0]


@pytest.mark.parametrize("copies", [0, 2])
@pytest.mark.parametrize("mixes", [True, False])
def test_predictions_that_may_depend_on_the_batch_are_the_first_warning(
    mixes: bool, copies: int, save: Callable[..., Path]
) -> None:
    """Scores minus their mean over the batch, or over the classes."""
    text = f"""t (float[N, 6] x) => (float[N, 4] y) {{
        h = MatMul (x, w) r = Relu (h) z = MatMul (r, v)
        m = ReduceMean <axes = [{0 if mixes else 1}], keepdims = 1> (z) y = Sub (z, m) }}"""
    path = save(
        small_models.build(text, {"w": small_models.normal(6, 8), "v": small_models.normal(8, 4)}, opset=17)
    )
    rows = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
    result = onnx_ood.score(
        path, rows[:12], reference=rows, detectors="activity", copies=copies, provider="cpu"
    )
    expected = (
        "Predictions may depend on the other inputs of a batch; inputs were run one input at a time: 'y' cannot be "
        "split by input."
    )
    assert (expected in result.notes) == mixes
    assert (next(filter(None, score_warnings(result))) == expected) == mixes


def test_advice_is_explained_or_missed() -> None:
    asked = onnx_ood.ScoreSettings(advise=True)
    assert notes.advice_notes(onnx_ood.ScoreSettings(), ()) == []
    assert "takes at least" in notes.advice_notes(asked, None)[0]
    assert "without labels" in notes.advice_notes(asked, ())[0]


def test_inputs_that_a_stream_has_alone_are_counted() -> None:
    stream = SimpleNamespace(scored=5000, done=SimpleNamespace(left=2), path=None)
    listed, left = notes.stream_notes(stream, 100)
    assert listed.startswith("Of 5,000 scored inputs, 100 are listed")
    assert left.startswith("2 inputs of the resumed run")
    assert notes.stream_notes(SimpleNamespace(scored=5, done=SimpleNamespace(left=0), path=None), 5) == []


def test_rounding_is_noted_only_where_it_matters() -> None:
    settings = onnx_ood.ScoreSettings(scale=0.02)
    moved, still = (SimpleNamespace(drop=drop) for drop in ((0.0, 0.1), (0.0, 0.0)))
    enlarged, plain = SimpleNamespace(scale=0.5), SimpleNamespace(scale=0.02)
    assert notes.rounding_notes("x", None, settings, plain, [still]) == []
    assert notes.rounding_notes("x", Rounding(0.01), settings, plain, [moved]) == []
    (note,) = notes.rounding_notes("x", Rounding(0.5), settings, enlarged, [moved])
    assert "steps of 0.5" in note
    (note,) = notes.rounding_notes("x", Rounding(0.5), settings, plain, [still])
    assert note.startswith("Not evaluated: the model rounds 'x' to steps of 0.5")
    (note,) = notes.rounding_notes("x", Rounding(None), settings, plain, [moved])
    assert "255 steps over the range of each input: nudges smaller than a step" in note
    (note,) = notes.rounding_notes("x", Rounding(None), settings, plain, [still])
    assert note.startswith("Not evaluated: the model rounds 'x' to 255 steps")


def test_pairs_that_are_not_comparable_are_noted() -> None:
    probes = [SimpleNamespace(name=name, not_comparable=count) for name, count in (("a", 0), ("b", 3))]
    (note,) = notes.comparison_notes(probes, 40)
    assert note.startswith("At probe b, 3 of 40 pairs of an input and a copy are not comparable")


def test_class_names_that_do_not_fit_are_noted() -> None:
    settings = onnx_ood.ScoreSettings(labels="names.txt")
    unnamed = [SimpleNamespace(prediction=SimpleNamespace(label=None))]
    named = [SimpleNamespace(prediction=SimpleNamespace(label="a"))]
    (note,) = notes.label_notes(settings, ["a", "b"], unnamed)
    assert note.startswith("names.txt has 2 class names, not as many as the model has classes")
    for wanted, names, results in [
        (settings, ["a"], named),
        (settings, ["a"], []),
        (onnx_ood.ScoreSettings(), ["a"], unnamed),
    ]:
        assert notes.label_notes(wanted, names, results) == []


def discoveries(calibrating: int, references: int, **values: object) -> DetectorSummary:
    """A summary of flags at a false-discovery rate of 0.1."""
    given: dict[str, Any] = {"calibration": "split", "learned": references - calibrating} | values
    return DetectorSummary(
        detectors=(UsedDetector(name="auto", formula="", source=""),),
        reference="given",
        references=references,
        references_sha256=None,
        fpr=None,
        fdr=0.1,
        smallest_p=1 / (calibrating + 1),
        **given,
    )


def test_a_false_discovery_rate_names_the_references_that_one_flag_takes() -> None:
    # 0.1 * 31 / 100 is the first multiple of 0.001 above 1/33.
    (note,) = notes.discovery_notes(discoveries(32, 32, calibration="full", learned=32), 100)
    assert "smallest p-value is 1/33" in note
    assert "only if at least 31 of 100 are that unusual; 1,998 references suffice" in note
    (note,) = notes.discovery_notes(discoveries(32, 32), 100)
    assert "999 references suffice to flag one" in note
    (note,) = notes.discovery_notes(discoveries(5, 10, calibration="half"), 4)
    assert "no input can be flagged; give at least 17" in note
    (note,) = notes.discovery_notes(discoveries(5, 5, calibration="full", learned=5), 4)
    assert "no input can be flagged; give at least 9" in note


def test_a_false_discovery_rate_that_can_flag_one_input_is_not_noted() -> None:
    assert notes.discovery_notes(discoveries(999, 1998), 100) == []
    assert notes.discovery_notes(discoveries(999, 1998), 0) == []
    assert (
        notes.detector_notes(
            discoveries(32, 32, calibration="full", learned=32), open_inputs([]), 100, flagged=40
        )
        == []
    )
    assert (
        len(notes.detector_notes(discoveries(32, 32, calibration="full", learned=32), open_inputs([]), 100))
        == 1
    )
