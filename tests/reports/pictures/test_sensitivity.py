"""The picture of a sensitivity audit shows the numbers of its result."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

import onnx_ood
from onnx_ood import models
from onnx_ood.reports.pictures import draw_sensitivity


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> onnx_ood.SensitivityResult:
    images, _ = models.fashion_samples()
    file = tmp_path_factory.mktemp("garments") / "x.npy"
    np.save(file, (images[::20, np.newaxis] / 255).astype(np.float32))
    settings = onnx_ood.SensitivitySettings(directions=2, trajectories=2, tolerance=0.2)
    return onnx_ood.sensitivity(
        [models.path("fashion_cnn"), models.path("fashion_resnet")], [str(file)], settings
    )


@pytest.fixture
def figure(monkeypatch: pytest.MonkeyPatch) -> Figure:
    """The figure that is drawn on, in place of a file."""
    figure = Figure()

    @contextmanager
    def drawing(_path: Path, _width: float, _height: float) -> Iterator[Figure]:
        yield figure

    monkeypatch.setattr("onnx_ood.reports.pictures.sensitivity.drawing", drawing)
    return figure


def test_each_kind_has_a_panel_with_its_profiles_and_their_mean(
    result: onnx_ood.SensitivityResult, figure: Figure
) -> None:
    draw_sensitivity(result, Path("x.png"))
    *rows, _ = figure.subfigs
    assert [row.get_suptitle() for row in rows] == [Path(model.model.path).name for model in result.models]
    for row, model in zip(rows, result.models, strict=True):
        assert len(row.axes) == len(model.trajectory_types) > 2
        for axes, kind in zip(row.axes, model.trajectory_types, strict=True):
            profiles = [way.profile for way in model.trajectories if way.type == kind.type]
            *drawn, mean = (tuple(patch.get_data().values) for patch in axes.patches)
            assert drawn == profiles
            assert mean == pytest.approx(np.mean(profiles, axis=0))
            assert axes.get_ylim()[1] >= max(map(max, profiles))
            marks = [line.get_xdata() for line in axes.lines if line.get_marker() == "^"]
            if "through" in axes.get_title():
                # θ = π/3, π, 5π/3.
                assert np.array(marks[0]) * 2 * np.pi == pytest.approx([np.pi / 3, np.pi, 5 * np.pi / 3])
            else:
                assert not marks


def test_each_model_has_a_strip_with_its_norms(result: onnx_ood.SensitivityResult, figure: Figure) -> None:
    draw_sensitivity(result, Path("x.png"))
    (axes,) = figure.subfigs[-1].axes
    dots = [line.get_xdata().tolist() for line in axes.lines if line.get_marker() == "o"]
    assert dots == [[one.jacobian for one in model.inputs] for model in result.models]
    assert axes.get_xscale() == "log"


def test_norms_of_zero_and_no_trajectories_are_drawn_too(
    result: onnx_ood.SensitivityResult, tmp_path: Path
) -> None:
    flat = tuple(one.model_copy(update={"jacobian": 0.0}) for one in result.models[0].inputs)
    model = result.models[0].model_copy(update={"inputs": flat, "trajectories": (), "kinds": ()})
    draw_sensitivity(result.model_copy(update={"models": (model,)}), tmp_path / "x.png")
    assert (tmp_path / "x.png").stat().st_size > 0
