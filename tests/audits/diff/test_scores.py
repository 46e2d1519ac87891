"""Differences between scores, against scipy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from stored_results import read_json

import onnx_ood
from onnx_ood import models


def test_metrics_are_paired_over_the_inputs_of_both(folder: Path, found: onnx_ood.DiffResult) -> None:
    a, b = ({one["id"]: one for one in read_json(folder, name)["inputs"]} for name in "ab")
    ids = [name for name in a if name in b]
    assert len(ids) == 60
    metrics = {metric.name: metric for metric in found.metrics}
    for place, detector in enumerate(("auto", "energy")):
        before, after = ([rows[name]["scores"][place] for name in ids] for rows in (a, b))
        test = stats.ttest_rel(after, before).confidence_interval()
        metric = metrics[f"score {detector}"]
        assert (metric.low, metric.high) == pytest.approx((test.low, test.high), rel=1e-6)
        assert (metric.a, metric.b) == pytest.approx((np.mean(before), np.mean(after)))
        assert metric.change == pytest.approx(np.mean(after) - np.mean(before))
    probes = [probe["name"] for probe in read_json(folder, "a")["probes"]]
    before, after = (np.log10([rows[name]["drop"][-1] for name in ids]) for rows in (a, b))
    test = stats.ttest_rel(after, before).confidence_interval()
    metric = metrics[f"drop {probes[-1]}"]
    assert (metric.low, metric.high) == pytest.approx((test.low, test.high), rel=1e-6)
    assert (metric.a, metric.b) == pytest.approx((stats.gmean(10**before), stats.gmean(10**after)))
    assert metric.change == pytest.approx(np.log10(metric.b / metric.a))


def test_layers_before_the_damage_did_not_move(found: onnx_ood.DiffResult) -> None:
    drops = [metric for metric in found.metrics if metric.name.startswith("drop ")]
    assert not drops[0].beyond_noise
    assert drops[-1].beyond_noise


def test_inputs_are_those_of_both(folder: Path, found: onnx_ood.DiffResult) -> None:
    a, b = ({one["id"]: one for one in read_json(folder, name)["inputs"]} for name in "ab")
    ids = [name for name in a if name in b]
    assert found.inputs is not None
    assert (found.inputs.both, found.inputs.only_a, found.inputs.only_b) == (60, 0, 60)
    expected = stats.spearmanr(*([rows[name]["scores"][0] for name in ids] for rows in (a, b))).statistic
    assert found.inputs.rank_correlation == pytest.approx(expected)
    same = sum(a[name]["prediction"]["index"] == b[name]["prediction"]["index"] for name in ids)
    interval = stats.binomtest(same, 60).proportion_ci(method="exact")
    agreement = found.inputs.agreement
    assert agreement is not None
    assert (agreement.share, agreement.low, agreement.high) == pytest.approx(
        (same / 60, interval.low, interval.high), rel=1e-6
    )
    newly = {name for name in ids if b[name]["flagged"] and not a[name]["flagged"]}
    assert set(found.inputs.newly_flagged) == newly
    moved = [
        abs(stats.rankdata([-a[name]["scores"][0] for name in ids])[i] - rank)
        for i, rank in enumerate(stats.rankdata([-b[name]["scores"][0] for name in ids]))
    ]
    first = found.inputs.changes[0]
    assert first.id == ids[int(np.argmax(moved))]
    assert abs(first.rank_a - first.rank_b) == max(moved)
    assert (first.score_a, first.score_b) == (a[first.id]["scores"][0], b[first.id]["scores"][0])


def test_classes_of_one_number_have_one_name(folder: Path, found: onnx_ood.DiffResult) -> None:
    a, b = ({one["id"]: one for one in read_json(folder, name)["inputs"]} for name in "ab")
    assert found.inputs is not None
    for one in found.inputs.changes:
        index_a, index_b = (rows[one.id]["prediction"]["index"] for rows in (a, b))
        # The damaged model has no card, so no names.
        assert b[one.id]["prediction"]["label"] is None
        assert one.prediction_a == a[one.id]["prediction"]["label"]
        assert (one.prediction_a == one.prediction_b) == (index_a == index_b)


def test_inputs_with_another_answer_are_named(folder: Path, found: onnx_ood.DiffResult) -> None:
    a, b = ({one["id"]: one for one in read_json(folder, name)["inputs"]} for name in "ab")
    assert found.inputs is not None
    changed = [
        name for name in a if name in b and a[name]["prediction"]["index"] != b[name]["prediction"]["index"]
    ]
    assert changed
    assert list(found.inputs.changed_answers) == changed


def test_layers_are_compared_at_the_same_place_only(folder: Path) -> None:
    """The plain and the residual network share the name of one layer, at depths 3 and 2."""
    rows = str(folder / "rows.npy")
    settings = onnx_ood.ScoreSettings(detectors=("energy",), copies=2, preprocess="unit")
    plain, residual = (
        onnx_ood.score(models.path(name), rows, settings) for name in ("fashion_cnn", "fashion_resnet")
    )
    shared = {one.name: one for one in plain.probes}.keys() & {one.name for one in residual.probes}
    assert shared == {"/blocks/blocks.0/relu/Relu_output_0"}
    found = onnx_ood.diff(plain, residual)
    assert [metric.name for metric in found.metrics] == ["score energy"]
    assert "The models share no watched layers; compared by answers and scores only." in found.notes
    assert not any("only one result" in note for note in found.notes)


def test_layers_that_moved_are_named(folder: Path) -> None:
    stored = onnx_ood.read_result(folder / "a.json")
    assert isinstance(stored, onnx_ood.ScoreResult)
    first, *others = stored.probes
    moved = stored.model_copy(update={"probes": (first.model_copy(update={"units": 7}), *others)})
    found = onnx_ood.diff(stored, moved)
    assert [one.name for one in found.metrics if one.name.startswith("drop ")] == [
        f"drop {one.name}" for one in others
    ]
    (note,) = [note for note in found.notes if "differ between the models" in note]
    assert first.name in note


def test_runs_with_and_without_nudges_are_compared_by_scores() -> None:
    images, _ = models.fashion_samples()
    nudged, plain, seeded = (
        onnx_ood.score(
            models.path("fashion_cnn"),
            images[:20],
            reference=images[60:100],
            provider="cpu",
            detectors="auto",
            **one,
        )
        for one in ({"copies": 2}, {}, {"seed": 1})
    )
    found = onnx_ood.diff(nudged, plain)
    assert [metric.name for metric in found.metrics] == ["score auto"]
    assert found.metrics[0].change == pytest.approx(0, abs=1e-6)
    assert {one.name: (one.a, one.b) for one in found.settings}["nudges.copies"] == ("2", "")
    assert nudged.probes
    assert "a was nudged, b was not: layers are not compared." in found.notes
    assert "b was nudged, a was not: layers are not compared." in onnx_ood.diff(plain, nudged).notes
    assert not any(probe.name in note for note in found.notes for probe in nudged.probes)
    changed = {one.name: (one.a, one.b) for one in onnx_ood.diff(plain, seeded).settings}
    assert changed == {"seed": ("0", "1")}


def _without(result: onnx_ood.ScoreResult, term: str) -> onnx_ood.ScoreResult:
    """The result as if the first detector had left out a term."""
    summary = result.detector_summary
    assert summary is not None
    first, *others = summary.detectors
    lacking = first.model_copy(
        update={
            "terms": tuple(one for one in first.terms if one.name != term),
            "left_out": {term: "no class scores"},
        }
    )
    summary = summary.model_copy(update={"detectors": (lacking, *others)})
    inputs = tuple(one.model_copy(update={"terms": (), "flagged": False}) for one in result.inputs)
    return result.model_copy(update={"detector_summary": summary, "inputs": inputs})


def test_scores_of_other_terms_are_not_comparable(folder: Path) -> None:
    full = onnx_ood.read_result(folder / "b.json")
    assert isinstance(full, onnx_ood.ScoreResult)
    lacking = _without(full, "uncertainty")
    reason = "lacks its term uncertainty (no class scores)"
    for pair, which in (((full, lacking), "b"), ((lacking, full), "a")):
        found = onnx_ood.diff(*pair)
        assert found.notes[0] == f"Scores and ranks of auto are not comparable: {which} {reason}."
        auto, energy = (one for one in found.metrics if one.name.startswith("score "))
        assert (auto.not_comparable, auto.change, auto.beyond_noise) == (f"{which} {reason}", None, None)
        assert (energy.not_comparable, energy.change) == ("", 0)
        assert found.inputs is not None
        assert found.inputs.rank_correlation is None
        assert reason in found.inputs.not_comparable
    flagged = tuple(one.id for one in full.inputs if one.flagged)
    assert flagged
    assert found.inputs.newly_flagged == flagged
    assert [one.id for one in found.inputs.changes] == [one.id for one in lacking.inputs]


def test_ranks_of_other_detectors_are_not_comparable() -> None:
    images, _ = models.fashion_samples()
    auto, energy = (
        onnx_ood.score(models.path("fashion_cnn"), images[:12], provider="cpu", detectors=names)
        for names in ("auto,energy", "energy,auto")
    )
    found = onnx_ood.diff(auto, energy)
    assert found.notes[0] == "Ranks are not comparable: a ranks by auto, b by energy."
    assert found.inputs is not None
    assert found.inputs.rank_correlation is None
    assert {one.name: one.change for one in found.metrics} == {"score auto": 0, "score energy": 0}


def test_results_without_shared_inputs_are_not_evaluated(folder: Path) -> None:
    stored = onnx_ood.read_result(folder / "a.json")
    assert isinstance(stored, onnx_ood.ScoreResult)
    renamed = stored.model_copy(
        update={"inputs": tuple(one.model_copy(update={"id": f"new/{one.id}"}) for one in stored.inputs)}
    )
    found = onnx_ood.diff(stored, renamed)
    assert (found.status, found.metrics) == ("not_evaluated", ())
    first = stored.inputs[0].id
    assert f"a has {first}, b has new/{first}." in found.notes[0]
    empty = onnx_ood.diff(stored, stored.model_copy(update={"inputs": ()}))
    assert (empty.status, empty.metrics) == ("not_evaluated", ())
    assert "b has no scored input." in empty.notes[0]


def test_drops_of_other_nudges_are_not_compared() -> None:
    """All inputs share the nudges of a run: an interval over inputs says nothing of those of another seed."""
    images = models.fashion_samples()[0][:12]
    results = [
        onnx_ood.score(models.path("fashion_cnn"), images, copies=1, seed=seed, provider="cpu")
        for seed in (1, 2, 1)
    ]
    changed = [one for one in onnx_ood.diff(*results[:2]).metrics if one.name.startswith("drop ")]
    assert changed
    assert {one.not_comparable for one in changed} == {"their nudges are other draws: seed 1, 2"}
    assert {one.beyond_noise for one in changed} == {None}
    same = [one for one in onnx_ood.diff(results[0], results[2]).metrics if one.name.startswith("drop ")]
    assert {(one.not_comparable, one.beyond_noise, one.change) for one in same} == {("", False, 0.0)}
