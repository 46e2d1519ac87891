"""Bench results in words."""

from __future__ import annotations

import pytest

import onnx_ood
from onnx_ood.audits.bench.result import BenchFlags, BenchInterval
from onnx_ood.reports.bench.facts import (
    area,
    between,
    flag_words,
    headline,
    not_evaluated_note,
    set_heading,
    starred,
)


def apart(result: onnx_ood.BenchResult) -> onnx_ood.BenchResult:
    """Return the result with a best detector that resamples distinguish from the others."""
    first, *others = result.detectors
    gap = BenchInterval(value=0.2, low=0.1, high=0.3)
    far = tuple(one.model_copy(update={"gap_to_best": gap}) for one in others)
    return result.model_copy(update={"detectors": (first, *far)})


def with_means(result: onnx_ood.BenchResult, means: list[float]) -> onnx_ood.BenchResult:
    detectors = [
        one.model_copy(update={"macro": BenchInterval(value=mean, low=mean - 0.1, high=mean + 0.1)})
        for one, mean in zip(result.detectors, means, strict=False)
    ]
    return result.model_copy(update={"detectors": tuple(detectors)})


def test_the_headline_names_the_best_and_its_worst_set(measured: onnx_ood.BenchResult) -> None:
    best = measured.detectors[0]
    low, high = f"{best.macro.low:.2f}", f"{best.macro.high:.2f}"
    worst = min(best.metrics, key=lambda one: one.auroc.value)
    assert headline(apart(measured)) == (
        f"{best.name} is the best of 3 detectors: mean AUROC {best.macro.value:.2f}, lowest on {worst.set} "
        f"({worst.auroc.value:.2f})"
    )
    assert between(best.macro) == f"{low}-{high}"
    few = measured.model_copy(update={"status": "not_evaluated", "id": 4})
    assert headline(few) == "Not evaluated: there are 4 in-distribution inputs, at least 10 needed"
    learned = best.model_copy(update={"reference": True})
    assert starred(learned) == f"{best.name} *"
    assert starred(best.model_copy(update={"reference": False})) == best.name


def test_detectors_within_the_noise_of_the_first_are_named(measured: onnx_ood.BenchResult) -> None:
    far = apart(measured)
    first, second, third = far.detectors
    near = third.model_copy(update={"gap_to_best": BenchInterval(value=0.01, low=-0.01, high=0.03)})
    found = headline(far.model_copy(update={"detectors": (first, second, near)}))
    assert found.startswith(f"{first.name} comes first of 3 detectors: mean AUROC")
    assert found.endswith(f"; not distinguishable from: {third.name}")
    assert "distinguishable" not in headline(far)
    many = tuple(near.model_copy(update={"name": f"d{k}"}) for k in range(7))
    found = headline(far.model_copy(update={"detectors": (first, *many)}))
    assert found.endswith("not distinguishable from: d0, d1, d2, d3, d4 and 2 more")


def test_a_detector_at_chance_or_below_is_not_praised(measured: onnx_ood.BenchResult) -> None:
    name = measured.detectors[0].name
    assert headline(with_means(measured, [0.05])).startswith(
        f"No detector is better than chance (best: {name}, mean AUROC 0.05)"
    )
    assert headline(with_means(measured, [0.5, 0.4])).startswith("No detector is better than chance")
    assert headline(with_means(apart(measured), [0.51, 0.4])).startswith(f"{name} is the best of 2 detectors")
    assert headline(with_means(measured, [0.51])).startswith(f"{name}: mean AUROC 0.51")


def test_only_several_sets_have_a_lowest(measured: onnx_ood.BenchResult) -> None:
    sets = [
        one.model_copy(update={"inputs": one.inputs if place == 0 else 9})
        for place, one in enumerate(measured.sets)
    ]
    alone = measured.model_copy(update={"sets": tuple(sets)})
    assert "lowest" in headline(measured)
    assert "lowest" not in headline(alone)
    assert set_heading(sets[1]) == f"{sets[1].name.replace('_', ' ')} (9 inputs: too few)"
    assert not_evaluated_note(alone).startswith("Not in means: set ")
    assert not_evaluated_note(measured) == ""


@pytest.mark.parametrize(("value", "shown"), [(0.55, "(0.55)"), (0.6, "0.60"), (0.95, "0.95")])
def test_areas_near_chance_are_in_brackets(value: float, shown: str) -> None:
    assert area(value).plain == shown


def test_flags_are_shares_with_their_interval() -> None:
    flags = BenchFlags(
        detector="energy",
        fpr=0.05,
        id=BenchInterval(value=0.04, low=0.01, high=0.1),
        sets={"fog": 0.5, "text": 1.0},
    )
    usual, sets = flag_words(flags)
    assert (
        usual
        == "flagged by energy at a false-positive rate of 5%: 4.0% of in-distribution inputs (1.0% to 10%)"
    )
    assert sets == "flagged inputs of the sets: fog 50%, text 100%"
