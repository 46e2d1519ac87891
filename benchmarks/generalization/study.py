"""Do a network's Jacobian norm and transition density tell how well it generalizes?

    python benchmarks/generalization/study.py FOLDER [--networks 96] [--pictures 100] [--json FILE] [--figure FILE]

What FOLDER lacks is trained first, by train.py; that takes what models/training/requirements.txt lists.

R. Novak et al. ("Sensitivity and Generalization in Neural Networks: an Empirical Study", ICLR 2018) found that among
networks which all fit their training data, those that are more sensitive at test points, by the norm of the Jacobian of
their softmax, generalize worse; transition density was less informative. Here both metrics, as onnx_ood measures
them, are averaged over test pictures and correlated with the generalization gap: training accuracy, which is 1, minus
test accuracy. Kendall's tau measures equal order, Pearson's r a linear relation; r is given against the
logarithm of a metric as well. Intervals are where 95% of 2,000 resamples of networks lie.

The paper also finds that random labels make networks more sensitive, augmentation less, and that a test picture with a
large norm is more likely to be classified wrong: networks that were trained alike are compared by medians, and so is
the AUROC of the norm for wrong predictions, and that of the highest probability.

Networks that didn't fit are left out. What training changed is measured as before_and_after.py says.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, fields
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any

import metrics
import numpy as np
import onnxruntime
from before_and_after import Change, before_and_after, shuffled
from correlations import Correlation, bootstrap
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from onnx_ood.metrics import auroc
from onnx_ood.reports._html.charts import (
    Figure,
    Frame,
    Key,
    chart,
    level_axis,
    scale_ticks,
    square_key,
    upright_axis,
)
from onnx_ood.reports._html.markup import Markup, element
from onnx_ood.reports._html.picture import FigureRow, picture
from onnx_ood.reports._html.scales import Scale, log_scale
from onnx_ood.reports._html.series import panel_title
from onnx_ood.reports.formats.picture import check_pictures, write_picture

Network = Mapping[str, Any]

TRAINER = Path(__file__).with_name("train.py")
TRAINING = Path(__file__).parents[2] / "models" / "training"
DATA = Path("/usr/share/datasets/fashion-mnist")
RESAMPLES = 2_000
MIN_NETWORKS = 8
SEED = 0
JACOBIAN, DENSITY, DENSITY_PER_UNIT = "jacobian_norm", "transition_density", "transition_density_per_unit"
NAMES = {
    JACOBIAN: "Jacobian norm",
    DENSITY: "transition density",
    DENSITY_PER_UNIT: "transition density per ReLU",
}
# Of Okabe and Ito: colours that are distinguishable with any colour vision.
COLOURS = {
    0.0: ("#0072b2", "true labels"),
    0.25: ("#56b4e9", "25% random labels"),
    0.5: ("#e69f00", "50%"),
    1.0: ("#d55e00", "100%"),
}
MARKERS = {"fc": "fully connected", "conv": "convolutional"}
FRAME = Frame(width=370, height=310, left=64, right=356, top=30, bottom=256)
KINDS: dict[str, Callable[[Network], bool]] = {
    "all": lambda network: True,  # noqa: ARG005
    "fully connected": lambda network: network["kind"] == "fc",
    "convolutional": lambda network: network["kind"] == "conv",
}
LABELS: dict[str, Callable[[Network], bool]] = {
    "any labels": lambda network: True,  # noqa: ARG005
    "true labels": lambda network: not network["random_labels"],
    "true labels, augmented": lambda network: not network["random_labels"] and network["augmented"],
    "true labels, not augmented": lambda network: not network["random_labels"] and not network["augmented"],
    "random labels": lambda network: network["random_labels"] > 0,
    "25% random labels": lambda network: network["random_labels"] == 0.25,
    "50% random labels": lambda network: network["random_labels"] == 0.5,
    "100% random labels": lambda network: network["random_labels"] == 1,
}


@dataclass(frozen=True)
class Row:
    """One metric in one group.

    Attributes:
        kind: Networks of which kind.
        labels: Trained on which labels.
        metric: Which metric.
        networks: How many there are.
        kendall: Kendall's tau-b of gap and metric.
        pearson: Pearson's r of gap and metric.
        pearson_log: Pearson's r of gap and the metric's logarithm.
    """

    kind: str
    labels: str
    metric: str
    networks: int
    kendall: Correlation
    pearson: Correlation
    pearson_log: Correlation


@dataclass(frozen=True)
class Setting:
    """Networks that were trained alike, by medians.

    Attributes:
        kind: `fc` or `conv`.
        random_labels: Share of random labels.
        augmented: Whether pictures were augmented.
        networks: How many networks there are.
        gap: Generalization gap.
        jacobian_norm: Mean Jacobian norm at test pictures.
        transition_density_per_unit: Mean transition density over the number of ReLU units.
        auroc_jacobian: How well the Jacobian norm ranks test pictures that are classified wrong above the others.
        auroc_probability: The same for 1 minus the highest probability.
    """

    kind: str
    random_labels: float
    augmented: bool
    networks: int
    gap: float
    jacobian_norm: float
    transition_density_per_unit: float
    auroc_jacobian: float
    auroc_probability: float


def trained(folder: Path, networks: int, data: Path) -> list[dict[str, Any]]:
    """Read the records of train.py for a folder; missing networks are trained.

    Args:
        folder: Where networks are, or will be.
        networks: How many are wanted.
        data: Folder of the four files of Fashion-MNIST.

    Returns:
        One entry a network.

    Raises:
        subprocess.CalledProcessError: If training fails; it continues where it stopped when called again.
    """
    listing = folder / "networks.json"
    if not listing.exists() or len(json.loads(listing.read_text())) < networks:
        if find_spec("torch") is None:
            raise SystemExit(f"training needs more packages: pip install -r {TRAINING / 'requirements.txt'}")
        words = [TRAINER, "--out", folder, "--data", data, "--networks", str(networks)]
        # A process of its own, because torch's threads would compete with those of the runtime.
        paths = os.pathsep.join([str(TRAINING), os.environ.get("PYTHONPATH", "")])
        subprocess.run([sys.executable, *words], check=True, env={**os.environ, "PYTHONPATH": paths})
    entries: list[dict[str, Any]] = json.loads(listing.read_text())
    return entries[:networks]


def measure(
    folder: Path, entry: Mapping[str, Any], images: metrics.Pictures, labels: NDArray[np.int64]
) -> dict[str, Any]:
    """One network's settings, gap and mean metrics, and how well its metrics tell wrong answers from right ones."""
    path = folder / entry["file"]
    norms = metrics.jacobian_norms(path, images)
    density = float(metrics.transition_densities(path, images).mean())
    probabilities = metrics.probabilities(path, images)
    wrong = probabilities.argmax(axis=1) != labels
    uncertainty = 1 - probabilities.max(axis=1)
    copied = ("units", "parameters", "epochs", "test_accuracy", "test_loss", "gap")
    return {
        "name": entry["name"],
        **entry["settings"],
        **{name: entry[name] for name in copied},
        JACOBIAN: float(norms.mean()),
        DENSITY: density,
        DENSITY_PER_UNIT: density / entry["units"],
        "auroc_jacobian": auroc(norms[~wrong], norms[wrong]).value,
        "auroc_probability": auroc(uncertainty[~wrong], uncertainty[wrong]).value,
    }


def correlate(networks: Sequence[Network]) -> list[Row]:
    """Correlates gap and metrics in each group of enough networks for intervals to mean something."""
    rows = []
    for kind, labels in product(KINDS, LABELS):
        chosen = [network for network in networks if KINDS[kind](network) and LABELS[labels](network)]
        if len(chosen) < MIN_NETWORKS:
            continue
        gaps = np.array([network["gap"] for network in chosen])
        for metric in NAMES:
            values = np.array([network[metric] for network in chosen])
            found = bootstrap(values, gaps, RESAMPLES, SEED)
            logarithmic = bootstrap(np.log(values), gaps, RESAMPLES, SEED)["pearson"]
            rows.append(
                Row(kind, labels, metric, len(chosen), found["kendall"], found["pearson"], logarithmic)
            )
    return rows


def summarise(networks: Sequence[Network]) -> list[Setting]:
    """Medians over networks that were trained alike."""
    alike: dict[tuple[str, float, bool], list[Network]] = defaultdict(list)
    for network in networks:
        alike[network["kind"], network["random_labels"], network["augmented"]].append(network)
    names = [field.name for field in fields(Setting)][4:]
    settings = []
    for key, members in sorted(alike.items()):
        medians = [float(np.median([member[name] for member in members])) for name in names]
        settings.append(Setting(*key, len(members), *medians))
    return settings


def draw(networks: Sequence[Network]) -> str:
    """Draw gap against each metric as an SVG document."""
    highest = max(network["gap"] for network in networks)
    keys = [square_key(text, fill=colour) for colour, text in COLOURS.values()]
    keys += [Key(_marker(kind, 6, 6, "#666666"), text) for kind, text in MARKERS.items()]
    panels = []
    for metric, name in NAMES.items():
        across = log_scale([network[metric] for network in networks], FRAME.left, FRAME.right)
        up = Scale(0.0, 1.05 * highest, FRAME.bottom, FRAME.top)
        marks = [
            _marker(
                network["kind"],
                across(network[metric]),
                up(network["gap"]),
                COLOURS[network["random_labels"]][0],
            )
            for share in COLOURS
            for network in networks
            if network["random_labels"] == share
        ]
        panels.append(
            chart(
                "panel",
                f"Generalization gap against {name} of {len(networks)} networks.",
                FRAME,
                panel_title(name, FRAME),
                upright_axis(up, FRAME, "generalization gap"),
                level_axis(scale_ticks(across, 4), FRAME, "mean at test pictures, logarithmic"),
                marks,
            )
        )
    figure = Figure(f"Generalization gap of {len(networks)} networks", panels, keys)
    return picture("Sensitivity and generalization", [], [FigureRow("", [figure])])


def _marker(kind: str, x: float, y: float, colour: str) -> Markup:
    """Disc of a fully connected network, or square of a convolutional one."""
    outline = {
        "fc": f"M{x - 4:.1f} {y:.1f}a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z",
        "conv": f"M{x - 3.5:.1f} {y - 3.5:.1f}h7v7h-7z",
    }
    return element("path", d=outline[kind], fill=colour, fill_opacity="0.7")


def show(
    rows: Sequence[Row], settings: Sequence[Setting], changes: Sequence[Change], console: Console
) -> None:
    """Print all results as tables."""
    table = Table("kind", "labels", "metric", title="Correlation with the generalization gap")
    for name in ("networks", "Kendall", "Pearson", "Pearson of logarithm"):
        table.add_column(name, justify="right")
    for row in rows:
        values = [_text(value) for value in (row.kendall, row.pearson, row.pearson_log)]
        table.add_row(row.kind, row.labels, NAMES[row.metric], str(row.networks), *values)
    console.print(table)
    table = Table(
        "networks", "random labels", "augmented", title="Medians over networks that were trained alike"
    )
    for name in (
        "number",
        "gap",
        "Jacobian norm",
        "density per ReLU",
        "AUROC of norm",
        "of highest probability",
    ):
        table.add_column(name, justify="right")
    for setting in settings:
        kind, share, augmented, number, *medians = astuple(setting)
        shown = (
            f"{share:.0%}",
            "yes" if augmented else "no",
            str(number),
            *(f"{value:.3g}" for value in medians),
        )
        table.add_row(kind, *shown)
    console.print(table)
    table = Table("measured", "networks", "pictures", title="Before and after training")
    for name in ("untrained", "trained", "fell in"):
        table.add_column(name, justify="right")
    for change in changes:
        numbers = [f"{value:.2f}" for value in (change.untrained, change.trained)]
        fell = f"{change.fell} of {change.networks}"
        table.add_row(change.what, change.kind, change.pictures, *numbers, fell)
    console.print(table)


def _text(correlation: Correlation) -> str:
    if correlation.value is None:
        return "none"
    return f"{correlation.value:.2f} ({correlation.low:.2f} to {correlation.high:.2f})"


def main(words: Sequence[str] | None = None) -> None:
    """Trains, measures, prints and writes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="where networks are, or will be once they are trained")
    parser.add_argument("--networks", type=int, default=96, help="how many to study")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the four files of Fashion-MNIST")
    parser.add_argument(
        "--pictures",
        type=int,
        default=100,
        help="test pictures to average over, 100 to 500; half as many for before and after",
    )
    parser.add_argument("--json", type=Path, help="write the results to this file")
    parser.add_argument("--figure", type=Path, help="draw to this file, .svg or .png")
    arguments = parser.parse_args(words)
    if not 100 <= arguments.pictures <= 500:
        parser.error("--pictures takes 100 to 500")
    if arguments.figure:
        check_pictures(arguments.figure)
    folder: Path = arguments.folder
    entries = trained(folder, arguments.networks, arguments.data)
    fitting = [entry for entry in entries if entry["fits"]]
    with np.load(folder / "pictures.npz") as stored:
        names = ("train", "test", "test_labels")
        train, test, labels = (stored[name][: arguments.pictures] for name in names)
    networks = []
    for entry in fitting:
        networks.append(measure(folder, entry, test, labels))
        print(f"measured {entry['name']} ({len(networks)} of {len(fitting)})", flush=True)
    rows, settings = correlate(networks), summarise(networks)
    train, test = train[: arguments.pictures // 2], test[: arguments.pictures // 2]
    sorts = {"training": train, "test": test, "training, pixels in random order": shuffled(train)}
    changes = before_and_after(folder, fitting, sorts)
    show(rows, settings, changes, Console(width=170))
    if arguments.figure:
        write_picture(arguments.figure, draw(networks))
    if arguments.json:
        results = {
            "pictures": arguments.pictures,
            "onnxruntime": onnxruntime.__version__,
            "correlations": [asdict(row) for row in rows],
            "settings": [asdict(setting) for setting in settings],
            "before_and_after": [asdict(change) for change in changes],
            "networks": networks,
            "left_out": [
                {"name": entry["name"], **entry["settings"], "train_accuracy": entry["train_accuracy"]}
                for entry in entries
                if not entry["fits"]
            ],
        }
        arguments.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
