"""Bench results in words."""

from __future__ import annotations

import pytest

import onnx_ood
from onnx_ood.audits.bench.result import BenchFlags, BenchInterval
from onnx_ood.reports.bench.facts import area, between, flag_words, headline, starred


def test_the_headline_names_the_best(measured: onnx_ood.BenchResult) -> None:
    best = measured.detectors[0]
    low, high = f"{best.macro.low:.2f}", f"{best.macro.high:.2f}"
    assert headline(measured) == f"{best.name} does best: mean AUROC {best.macro.value:.2f} ({low}-{high})"
    assert between(best.macro) == f"{low}-{high}"
    assert headline(measured.model_copy(update={"status": "not_evaluated"})) == "Not evaluated"
    learned = best.model_copy(update={"reference": True})
    assert starred(learned) == f"{best.name} *"
    assert starred(best.model_copy(update={"reference": False})) == best.name


@pytest.mark.parametrize(("value", "shown"), [(0.55, "(0.55)"), (0.6, "0.60"), (0.95, "0.95")])
def test_areas_near_chance_are_in_brackets(value: float, shown: str) -> None:
    assert area(value).plain == shown


def test_flags_are_shares_with_their_interval() -> None:
    flags = BenchFlags(
        fpr=0.05, id=BenchInterval(value=0.04, low=0.01, high=0.1), sets={"fog": 0.5, "text": 1.0}
    )
    usual, sets = flag_words(flags)
    assert usual == "flagged at a false-positive rate of 5%: 4.0% of in-distribution inputs (1.0% to 10%)"
    assert sets == "flagged inputs of the sets: fog 50%, text 100%"
