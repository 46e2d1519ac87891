"""The sensitivity audit as a picture: densities of transitions along trajectories, and Jacobian norms."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from onnx_ood.audits.sensitivity.result import ModelSensitivity, SensitivityResult, TrajectoryType
from onnx_ood.reports.pictures.canvas import drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure

_NAMES: dict[TrajectoryType, str] = {
    "translations": "translations of one input",
    "same_class": "through three of one class",
    "different_classes": "through three classes",
    "random": "in random directions",
}
# Where an ellipse meets the inputs that it goes through: θ = π/3, π and 5π/3, as shares of the whole.
_THROUGH = (1 / 6, 1 / 2, 5 / 6)
# Of a palette that the colour-blind can tell apart (Okabe and Ito); dark and bright also in grey.
_DARK, _BRIGHT = "#0072B2", "#E69F00"
# In inches.
_PANEL, _PANEL_WIDTH, _NARROWEST = 2.4, 2.5, 6.5
_STRIP, _STRIP_FRAME = 0.35, 1.0
_LONGEST_NAME = 40
# Norms that are wider apart are drawn on a logarithmic axis.
_DECADE = 10


def draw_sensitivity(result: SensitivityResult, path: Path) -> None:
    """Draws how densely units switch along trajectories, and how Jacobian norms are spread.

    One row of panels for each model, a panel for each kind of trajectory: a thin line for each trajectory, a thick one
    for their mean. Below, a strip for each model with a dot for each input's norm.

    Args:
        result: The result.
        path: Where to; a name that `check_pictures` let pass.

    Raises:
        OutputError: If it can't be written.
    """
    drawn = [model for model in result.models if model.trajectories]
    strips = _STRIP_FRAME + _STRIP * len(result.models)
    heights = [*[_PANEL] * len(drawn), strips]
    width = max([_PANEL_WIDTH * len(model.trajectory_types) for model in drawn], default=0)
    with drawing(path, max(width, _NARROWEST), sum(heights)) as figure:
        rows: list[SubFigure] = list(
            figure.subfigures(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
        )
        for row, model in zip(rows[:-1], drawn, strict=True):
            _densities(row, model)
        if drawn:
            _legend(rows[0])
        _norms(rows[-1].subplots(), result)


def _densities(row: SubFigure, model: ModelSensitivity) -> None:
    """A panel for each kind, all of one height."""
    row.suptitle(_short(model.model.path), fontsize=10, fontweight="bold", x=0.01, ha="left")
    panels = np.atleast_1d(row.subplots(1, len(model.trajectory_types), sharey=True))
    for kind, axes in zip(model.trajectory_types, panels, strict=True):
        ways = [way for way in model.trajectories if way.type == kind.type]
        profiles = np.array([way.profile for way in ways])
        bounds = np.linspace(0, 1, profiles.shape[1] + 1)
        for i, profile in enumerate(profiles):
            label = "" if i else "one trajectory"
            axes.stairs(profile, bounds, baseline=None, color=_BRIGHT, linewidth=0.8, label=label)
        mean = profiles.mean(axis=0)
        axes.stairs(mean, bounds, baseline=None, color=_DARK, linewidth=2, label="mean")
        if len(ways[0].inputs) == len(_THROUGH):
            for at in _THROUGH:
                axes.axvline(at, color="0.55", linewidth=0.8, linestyle=(0, (1, 2)), zorder=0)
            bottom = axes.get_xaxis_transform()
            mark: dict[str, Any] = {"color": "black", "markersize": 5, "clip_on": False}
            axes.plot(_THROUGH, [0, 0, 0], "^", **mark, transform=bottom, label="an input")
        axes.set_title(_NAMES[kind.type])
        axes.set_xlim(0, 1)
        axes.set_xticks([0, 0.5, 1], ["0", "½", "1"])
        axes.set_xlabel("share of the way")
    panels[0].set_ylim(0, 1.05 * max(max(way.profile) for way in model.trajectories) or 1)
    panels[0].set_ylabel("transitions\nper unit of length")


def _legend(row: SubFigure) -> None:
    """What the lines and marks of all panels are, above those on the right."""
    shown = {
        label: handle
        for axes in row.axes
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    row.legend(list(shown.values()), list(shown), loc="outside upper right", ncols=len(shown))


def _norms(axes: Axes, result: SensitivityResult) -> None:
    """A strip for each model: all norms, their middle half, median and mean."""
    norms = [
        np.array([one.jacobian for one in model.inputs if one.jacobian is not None])
        for model in result.models
    ]
    for row, values in enumerate(norms):
        lower, median, upper = np.quantile(values, [0.25, 0.5, 0.75])
        # On three levels in turn, so that dots of close norms don't hide each other.
        off = (np.argsort(np.argsort(values)) % 3 - 1) * 0.2
        dots: dict[str, Any] = {
            "color": _BRIGHT,
            "markersize": 4,
            "markeredgecolor": "0.3",
            "markeredgewidth": 0.4,
        }
        parts: list[Any] = [
            *axes.plot(values, row + off, "o", **dots),
            axes.barh(row, upper - lower, 0.6, lower, color=_DARK, alpha=0.25),
            *axes.plot([median], [row], "|", color=_DARK, markersize=13, markeredgewidth=2.5),
            *axes.plot([values.mean()], [row], "D", color="black", markersize=6, markeredgecolor="white"),
        ]
    names = ["an input", "middle half", "median", "mean"]
    axes.legend(parts, names, loc="lower right", bbox_to_anchor=(1, 0.98), ncols=len(names))
    axes.set_yticks(range(len(norms)), [_short(model.model.path) for model in result.models])
    axes.set_ylim(len(norms) - 0.5, -0.5)
    low, high = min(values.min() for values in norms), max(values.max() for values in norms)
    if 0 < low < high / _DECADE:
        axes.set_xscale("log")
    axes.set_xlabel(
        "Jacobian norm of " + " and ".join(dict.fromkeys(one.jacobian.probe for one in result.models))
    )


def _short(path: str) -> str:
    """The end of a path, which tells models apart."""
    name = path.rsplit("/", 1)[-1]
    return name if len(name) <= _LONGEST_NAME else f"…{name[1 - _LONGEST_NAME :]}"
