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
    assert "+0.50 to +1.5" in lines["score energy"]
    assert "more" in lines["score energy"]
    # A tenth of the drop, and an interval from a hundredth on.
    assert "x0.10" in lines["drop relu"]
    assert "x0.010 to x3.16" in lines["drop relu"]
    assert "within noise" in lines["drop relu"]
    assert lines["norm"].rstrip().endswith("?")
    assert lines["opset"].split("  ")[0] == "opset"
    for cell in ("no such gate", "not evaluated", "no opset"):
        assert cell in lines["opset"]
    assert "0" * 12 in text
    assert "0" * 13 not in text
    assert "1: x.png" in text


@pytest.mark.parametrize(
    ("name", "ends", "text"),
    [
        ("score auto", (-0.00041, -0.00002), "-4.1e-04 to -2.0e-05"),
        ("score auto", (-1234.5, 0), "-1234 to 0"),
        ("drop relu", (0.0001, 0.0002), "x1.0002 to x1.0005"),
        ("drop relu", (-3.0, 4.0), "x0.0010 to x1.0e+04"),
        ("drop relu", (0.0, 0.0), "x1.00 to x1.00"),
    ],
)
def test_small_changes_have_digits(name: str, ends: tuple[float, float], text: str) -> None:
    low, high = ends
    metric = MetricChange(name=name, a=1, b=1, change=(low + high) / 2, low=low, high=high)
    assert text in shown(RESULT.model_copy(update={"metrics": (metric,)}))


def test_values_that_are_not_comparable_are_not_counted() -> None:
    assert RESULT.inputs is not None
    score = MetricChange(
        name="score auto", a=1, b=2, change=None, low=None, high=None, not_comparable="b lacks a term"
    )
    inputs = RESULT.inputs.model_copy(update={"not_comparable": "b lacks a term", "rank_correlation": None})
    found = RESULT.model_copy(
        update={"audit": "score", "metrics": (*RESULT.metrics, score), "inputs": inputs, "gates": ()}
    )
    for verbose in (True, False):
        lines = shown(found, verbose=verbose).splitlines()
        assert lines[0].startswith(
            "1 of 3 metrics changed beyond noise, 1 metric not comparable, 1 input newly"
        )
        (row,) = [line for line in lines if line.startswith("score auto")]
        assert row.rstrip().endswith("not comparable")
        (order,) = [line for line in lines if line.startswith("same order")]
        assert order.split() == ["same", "order", "not", "comparable"]
        assert "Inputs with another flag or class" in lines
        (row,) = [line for line in lines if line.startswith("x.png")]
        assert row.split() == ["x.png", "no", "→", "✗", "bag", "→", "coat"]
        assert not any(line.startswith("y.png") for line in lines)
    alone = found.model_copy(update={"metrics": (score,)})
    assert shown(alone).startswith("1 metric not comparable, 1 input newly flagged\n")


@pytest.mark.parametrize(
    ("audit", "names"), [("score", "inputs"), ("bench", "detectors"), ("check", "gates")]
)
def test_nothing_in_common_is_said_first(audit: str, names: str) -> None:
    found = RESULT.model_copy(update={"audit": audit, "status": "not_evaluated", "metrics": ()})
    lines = shown(found).splitlines()
    assert lines[0] == f"Not evaluated: no {names} in common"
    assert not any("0 of" in line for line in lines)


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
