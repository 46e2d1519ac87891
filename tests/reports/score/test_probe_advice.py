"""Advice on probes, on a terminal."""

from __future__ import annotations

from io import StringIO

import pytest
from printing import lines_of
from rich.console import Console

from onnx_ood.audits.score.result import ProbeAdvice
from onnx_ood.reports.score.probe_advice import advice_table


def advice(name: str, *, advised: bool, similar: str | None = None) -> ProbeAdvice:
    return ProbeAdvice(
        name=name,
        advised=advised,
        reason="best of its kind" if advised else "says the same",
        reliability=0.91,
        under_floor=0.0,
        saturated=0.0,
        spread=0.25,
        active=0.5,
        correlation=0.97 if similar else None,
        most_similar=similar,
    )


ADVICE = [advice("late", advised=True), advice("early", advised=False, similar="late")]


@pytest.mark.parametrize("width", [120, 60])
def test_probes_have_their_numbers_in_reports(width: int) -> None:
    console = Console(file=StringIO(), width=width)
    made = advice_table(console, ADVICE, ["early", "middle", "late"])
    assert made is not None
    lines = lines_of(made, width)
    assert lines[0].startswith("Probes to watch: 1 of 2")
    (late,), (early,) = ([line for line in lines if line.lstrip().startswith(f"[{n}]")] for n in (3, 1))
    assert "0.91" in late
    assert "50%" in late
    assert "0.97 with" in early
    assert ("late" in late) == (width == 120)


def test_without_advice_there_is_no_table() -> None:
    console = Console(file=StringIO())
    assert advice_table(console, None, []) is None
    assert advice_table(console, [], ["a"]) is None
