"""Terminal report of a sensitivity audit, against the numbers of its result."""

from __future__ import annotations

from pathlib import Path

import pytest
from printing import report_of

import onnx_ood
from onnx_ood.reports.report_options import ReportOptions
from onnx_ood.reports.sensitivity.terminal import print_sensitivity
from onnx_ood.results.base import Prediction

PREDICTION = Prediction(index=3, label=None, value=1.0, probability=None)


@pytest.mark.parametrize("width", [80, 140])
def test_models_are_ranked_with_their_norms(result: onnx_ood.SensitivityResult, width: int) -> None:
    lines = report_of(print_sensitivity, result, width)
    rows = [line for line in lines if ".onnx " in line and "±" in line][-2:]
    for row, model in zip(rows, result.models, strict=True):
        assert Path(model.model.path).name in row
        norm = float(row.split("±")[0].split()[-1])
        assert norm == pytest.approx(model.jacobian.norm.mean, rel=0.05)
    assert Path(result.models[0].model.path).name in lines[0]
    assert max(map(len, lines)) <= width


def test_a_single_model_is_described_by_its_norm_and_density(result: onnx_ood.SensitivityResult) -> None:
    model = result.models[0]
    alone = result.model_copy(update={"models": (model,), "notes": ()})
    first = report_of(print_sensitivity, alone, 200)[0]
    assert first.startswith("Jacobian norm ")
    assert float(first.split()[2]) == pytest.approx(model.jacobian.norm.mean, rel=0.05)
    density = float(first.split(", ")[1].split()[0])
    assert density == pytest.approx(model.density, rel=0.01)
    flat = model.model_copy(update={"density": None, "trajectories": (), "trajectory_types": ()})
    assert (
        "transitions"
        not in report_of(print_sensitivity, alone.model_copy(update={"models": (flat,)}), 200)[0]
    )


def test_warnings_name_their_model(result: onnx_ood.SensitivityResult) -> None:
    first, second = result.models
    warned = second.model_copy(update={"notes": ("a note of it",), "unread": {"t": "is in a loop"}})
    text = "\n".join(
        report_of(
            print_sensitivity,
            result.model_copy(update={"models": (first, warned)}),
            200,
            options=ReportOptions(verbose=True),
        )
    )
    name = Path(second.model.path).name
    assert f"{name}: a note of it" in text
    assert f"{name}: units of 1 layer not read" in text
    assert "is in a loop" in text


@pytest.mark.parametrize(("error", "shown"), [(0.0, False), (0.1, True)])
def test_errors_are_shown_unless_all_are_zero(
    result: onnx_ood.SensitivityResult, error: float, shown: bool
) -> None:
    model = result.models[0]
    inputs = tuple(
        one.model_copy(update={"jacobian": 1.0, "jacobian_error": error, "prediction": PREDICTION})
        for one in model.inputs
    )
    alone = result.model_copy(update={"models": (model.model_copy(update={"inputs": inputs}),)})
    lines = report_of(print_sensitivity, alone, 140, options=ReportOptions(verbose=True))
    start = next(i for i, line in enumerate(lines) if line.startswith("Inputs by Jacobian norm"))
    table = " ".join(lines[start : start + 3 + len(inputs)])
    assert ("± 10%" in table) == shown
    assert "± 0" not in table
    assert "#3" in table


def test_the_foot_explains_errors_and_names_what_is_there(result: onnx_ood.SensitivityResult) -> None:
    model = result.models[0]
    errors = tuple(
        one.model_copy(update={"jacobian_error": (one.jacobian or 0) / 10}) for one in model.inputs
    )
    none = {"density": None, "trajectories": (), "trajectory_types": (), "sites": ()}
    alone = result.model_copy(update={"models": (model.model_copy(update={"inputs": errors}),)})
    foot = " ".join(report_of(print_sensitivity, alone, 160)[-2:])
    assert "± 95% interval of a mean, standard error of an input's norm" in foot
    assert "-v for layers, trajectories and settings" in foot
    still = alone.model_copy(update={"models": (alone.models[0].model_copy(update=none),)})
    text = "\n".join(report_of(print_sensitivity, still, 160))
    assert "-v for settings" in text
    assert "trajectories" not in text
    two = result.model_copy(update={"models": tuple(one.model_copy(update=none) for one in result.models)})
    assert "trajectories" not in "\n".join(report_of(print_sensitivity, two, 160))
    mean = model.jacobian.norm.model_copy(update={"low": None, "high": None})
    exact = tuple(one.model_copy(update={"jacobian_error": 0.0}) for one in model.inputs)
    jacobian = model.jacobian.model_copy(update={"norm": mean})
    bare = model.model_copy(update={**none, "inputs": exact, "jacobian": jacobian})
    assert "±" not in "\n".join(
        report_of(print_sensitivity, result.model_copy(update={"models": (bare,)}), 160)
    )
