"""Terminal report of a diff: what it says, and that it fits."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from onnx_ood.audits.diff.result import (
    Agreement,
    DiffResult,
    GateChange,
    InputChange,
    InputsDiff,
    MetricChange,
    SettingChange,
)
from onnx_ood.reports.diff.terminal import print_diff
from onnx_ood.reports.report_options import ReportOptions

RESULT = DiffResult(
    audit="check",
    a="before.json",
    b="",
    settings=(SettingChange(name="models.net.sha256", a="0" * 64, b="1" * 64),),
    metrics=(
        MetricChange(name="score energy", a=1, b=2, change=1, low=0.5, high=1.5),
        MetricChange(name="drop relu", a=0.1, b=0.01, change=-1, low=-2, high=0.5),
        MetricChange(name="norm", a=None, b=1, change=None, low=None, high=None),
    ),
    inputs=InputsDiff(
        both=2,
        only_a=1,
        only_b=0,
        rank_correlation=0.5,
        agreement=Agreement(inputs=2, share=0.5, low=0.01, high=0.99),
        newly_flagged=("x.png",),
        no_longer_flagged=(),
        changes=(
            InputChange(
                id="x.png", rank_a=1, rank_b=2, score_a=3, score_b=4, flagged_a=False, flagged_b=True,
                prediction_a="bag", prediction_b="coat",
            ),
            InputChange(
                id="y.png", rank_a=2, rank_b=1, score_a=3, score_b=4, flagged_a=None, flagged_b=None,
                prediction_a="bag", prediction_b="bag",
            ),
        ),
    ),
    gates=(GateChange(model="net", title="opset", a=None, b="not_evaluated", reason="no opset"),),
    notes=("A note.",),
)  # fmt: skip


def shown(result: DiffResult, top: int = 5, width: int = 120, *, verbose: bool = True) -> str:
    out = StringIO()
    console = Console(width=width, file=out, highlight=False, markup=False)
    print_diff(console, result, ReportOptions(top=top, verbose=verbose))
    return out.getvalue()


def test_changes_are_shown_with_their_noise() -> None:
    text = shown(RESULT)
    assert text.startswith(
        "1 gate with a different outcome, 1 of 3 metrics changed beyond noise, 1 input newly"
    )
    lines = {line.split("  ")[0]: line for line in text.splitlines() if line}
    assert "+0.500 to +1.500" in lines["score energy"]
    assert "more" in lines["score energy"]
    # A tenth of the drop, and an interval from a hundredth on.
    assert "x0.10" in lines["drop relu"]
    assert "x0.01 to x3.16" in lines["drop relu"]
    assert "within noise" in lines["drop relu"]
    assert lines["norm"].rstrip().endswith("?")
    assert lines["opset"].split("  ")[0] == "opset"
    for cell in ("no such gate", "not evaluated", "no opset"):
        assert cell in lines["opset"]
    assert "0" * 12 in text
    assert "0" * 13 not in text
    assert "1: x.png" in text


def test_as_many_inputs_are_listed_as_asked_for() -> None:
    rows = [line for line in shown(RESULT, top=1).splitlines() if line.startswith(("x.png", "y.png"))]
    assert len(rows) == 1
    assert "bag → coat" in rows[0]
    assert "no → " in rows[0]


def test_nothing_changed_is_said() -> None:
    same = RESULT.model_copy(update={"settings": (), "metrics": (), "gates": (), "inputs": None, "notes": ()})
    assert "No differences in settings, models or versions." in shown(same)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_report_fits(width: int) -> None:
    assert max(map(len, shown(RESULT, width=width).splitlines())) <= width


def test_changed_answers_come_first_by_name() -> None:
    assert RESULT.inputs is not None
    inputs = RESULT.inputs.model_copy(update={"changed_answers": ("x.png",)})
    lines = shown(RESULT.model_copy(update={"inputs": inputs})).splitlines()
    assert lines[0].startswith("1 of 2 answers changed")
    (row,) = [line for line in lines if "bag → coat" in line][:1]
    assert "x.png" in row
    text = "\n".join(lines)
    assert text.index("Changed answers") < text.index("Metrics")
    assert "Changed answers" not in shown(RESULT)
