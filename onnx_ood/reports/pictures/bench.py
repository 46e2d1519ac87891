"""The bench audit as pictures: ROC curves, histograms of scores, and severity curves."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from onnx_ood.audits.bench.result import (
    BenchCorruptions,
    BenchDetector,
    BenchInterval,
    BenchResult,
    BenchScores,
)
from onnx_ood.metrics.detection import mean_roc, roc
from onnx_ood.reports.pictures.canvas import drawing
from onnx_ood.reports.words import shorten_middle

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHOWN = 6
"""Detectors in a picture: the best."""
# Okabe and Ito's colours, which people who are colour-blind tell apart, and lines that are told apart in grey.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (4, 1, 1, 1)), (0, (8, 2)), (0, (2, 2)))
_ORDINARY, _STRANGE = "0.6", "#D55E00"
# In inches: a panel, what is above and below all of them, and a line of the legend.
_PANEL, _HEAD, _LINE = 2.1, 0.7, 0.2
_NARROWEST = 5.5
_COLUMNS = 5
# Entries of a legend side by side, and letters of the name of a set and of a detector.
_ACROSS, _LONGEST, _LONGEST_DETECTOR = 3, 22, 34
# Bars of a histogram: the more scores, the more.
_FEWEST_BARS, _MOST_BARS = 8, 40
# Scores beyond these quantiles, which may be far away, are counted in the last bars.
_INNER = (0.005, 0.995)


def draw_bench(result: BenchResult, folder: Path) -> list[Path]:
    """Draws all that there is to draw, as SVG.

    Args:
        result: The result, with scores.
        folder: Where to; there is one.

    Returns:
        The files: `roc.svg`, `scores-1-NAME.svg` of the best detector and so on, and `corruptions.svg` if there are
        any.

    Raises:
        OutputError: If one can't be written.
    """
    shown = result.detectors[:SHOWN]
    name = Path(result.model.path).name
    title = f"{name}, with mean AUROCs"
    paths = [folder / "roc.svg"]
    draw_roc(shown, title, paths[0])
    for rank, detector in enumerate(shown, 1):
        # Names of detectors may hold those of tensors.
        paths.append(folder / f"scores-{rank}-{re.sub(r'[^A-Za-z0-9_.-]+', '_', detector.name)}.svg")
        draw_scores(detector, f"{name}, {detector.name}", paths[-1])
    if result.corruptions:
        paths.append(folder / "corruptions.svg")
        draw_corruptions(result.corruptions, title, paths[-1])
    return paths


def draw_roc(detectors: Sequence[BenchDetector], title: str, path: Path) -> None:
    """Draws the mean ROC curve over sets, and that of each set, a line a detector.

    Args:
        detectors: At most six, with scores.
        title: What was measured.
        path: Where to; a name that `check_pictures` let pass.

    Raises:
        OutputError: If it can't be written.
    """
    names = [one.set for one in detectors[0].metrics]
    with _panels(path, title, len(detectors), 1 + len(names)) as (figure, panels):
        for axes, name in zip(panels, ["mean over sets", *names], strict=True):
            axes.plot([0, 1], [0, 1], color="0.8", linewidth=0.8)
            axes.set_title(_spaced(name), fontsize=9)
            axes.set(xlim=(-0.02, 1), ylim=(0, 1.02), aspect="equal")
            axes.set_xticks([0, 0.5, 1], ["0", "½", "1"])
            axes.set_yticks([0, 0.5, 1], ["0", "½", "1"])
        for place, detector in enumerate(detectors):
            scores = _scores(detector)
            curves = [roc(scores.id, scores.sets[name]) for name in names]
            for axes, (across, up) in zip(panels, [mean_roc(curves), *curves], strict=True):
                axes.plot(across, up, **_line(place), label=_named(detector.name, detector.macro))
        figure.supxlabel("share of ordinary inputs at or above a threshold", fontsize=9)
        figure.supylabel("share of the set", fontsize=9)


def draw_scores(detector: BenchDetector, title: str, path: Path) -> None:
    """Draws histograms of one detector's scores, of each set in front of the ordinary inputs.

    Args:
        detector: The detector, with scores.
        title: What was measured.
        path: Where to; a name that `check_pictures` let pass.

    Raises:
        OutputError: If it can't be written.
    """
    scores = _scores(detector)
    with _panels(path, title, 2, len(detector.metrics)) as (figure, panels):
        for axes, figures in zip(panels, detector.metrics, strict=True):
            groups = {"ordinary": scores.id, "the set": scores.sets[figures.set]}
            edges = _edges(np.concatenate([*groups.values()]))
            for (label, values), filled in zip(groups.items(), (True, False), strict=True):
                counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
                axes.stairs(
                    counts / len(values),
                    edges,
                    fill=filled,
                    color=_ORDINARY if filled else _STRANGE,
                    linewidth=1.4,
                    label=label,
                )
            axes.set_title(f"{_spaced(figures.set)}\nAUROC {figures.auroc.value:.2f}", fontsize=9)
            axes.set_yticks([])
            axes.spines["left"].set_visible(False)
            axes.locator_params(axis="x", nbins=4)
            axes.tick_params(labelsize=7)
        figure.supxlabel("score; what is beyond an end is in its last bar", fontsize=9)


def draw_corruptions(found: BenchCorruptions, title: str, path: Path) -> None:
    """Draws AUROCs over severities, the mean over kinds and each kind, a line a detector with its interval.

    Args:
        found: The curves.
        title: What was measured.
        path: Where to; a name that `check_pictures` let pass.

    Raises:
        OutputError: If it can't be written.
    """
    shown = found.detectors[:SHOWN]
    lowest = min(area.low for one in shown for curve in one.curves for area in curve.aurocs)
    with _panels(path, title, len(shown), 1 + len(found.corruptions)) as (figure, panels):
        for axes, name in zip(panels, ["mean over kinds", *found.corruptions], strict=True):
            axes.axhline(0.5, color="0.8", linewidth=0.8)
            axes.set_title(_spaced(name), fontsize=9)
            axes.set_ylim(min(0.45, lowest - 0.02), 1.02)
        for place, one in enumerate(shown):
            lines = [one.severities, *(curve.aurocs for curve in one.curves)]
            for axes, areas in zip(panels, lines, strict=True):
                severities = np.arange(1, 1 + len(areas))
                axes.plot(
                    severities,
                    [area.value for area in areas],
                    **_line(place),
                    label=_named(one.detector, one.mean),
                )
                axes.fill_between(
                    severities,
                    [area.low for area in areas],
                    [area.high for area in areas],
                    color=_COLOURS[place],
                    alpha=0.12,
                    linewidth=0,
                )
                axes.set_xticks(severities)
        figure.supxlabel("severity", fontsize=9)
        figure.supylabel("AUROC", fontsize=9)


@contextmanager
def _panels(path: Path, title: str, entries: int, count: int) -> Iterator[tuple[Figure, list[Axes]]]:
    """A figure of small panels in rows; a title and a legend, of so many entries on the first panel, come above."""
    columns = min(_COLUMNS, count)
    rows = ceil(count / columns)
    width, height = columns * _PANEL, rows * _PANEL + _HEAD + _LINE * ceil(entries / _ACROSS)
    with drawing(path, max(width, _NARROWEST), height) as figure:
        panels = list(figure.subplots(rows, columns, squeeze=False).flat)
        for unused in panels[count:]:
            unused.remove()
        yield figure, panels[:count]
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(
            handles,
            labels,
            loc="outside upper left",
            ncols=_ACROSS,
            handlelength=2.6,
            title=title,
            title_fontproperties={"size": 10, "weight": "bold"},
            alignment="left",
        )


def _line(place: int) -> dict[str, Any]:
    """Better ones are in front."""
    return {"color": _COLOURS[place], "linestyle": _DASHES[place], "linewidth": 1.4, "zorder": 3 - place / 10}


def _named(name: str, mean: BenchInterval) -> str:
    return f"{shorten_middle(name, _LONGEST_DETECTOR)} {mean.value:.2f}"


def _spaced(name: str) -> str:
    return shorten_middle(name.replace("_", " "), _LONGEST)


def _edges(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ends of bars for scores; what stands for infinity doesn't stretch them."""
    inner = scores[np.abs(scores) < np.finfo(np.float32).max]
    low, high = np.quantile(inner, _INNER) if len(inner) else (0.0, 0.0)
    bars = int(np.clip(np.sqrt(2 * len(scores)), _FEWEST_BARS, _MOST_BARS))
    return np.linspace(low, high if low < high else low + 1, bars + 1)


def _scores(detector: BenchDetector) -> BenchScores:
    assert detector.scores is not None, "bench was not told to keep scores"
    return detector.scores
