"""Effect of training on metrics at training pictures and elsewhere.

Networks with true labels are compared before and after training, at training pictures, at test pictures, and at
training pictures with shuffled pixels: the Jacobian norm, and positions of transitions. They are counted
along segments between two pictures. If training pushes boundaries away from training pictures, the density at both ends
(first and last tenth) falls against that in the middle (two tenths), and does so more between training pictures than
between others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import metrics
import numpy as np


@dataclass(frozen=True)
class Change:
    """Change by training at one set of pictures, means over networks.

    Attributes:
        what: What was measured.
        kind: Which networks, `fc` or `conv`.
        pictures: Which pictures.
        networks: How many networks there are.
        untrained: With initial weights.
        trained: After training.
        fell: In how many networks training lowered it.
    """

    what: str
    kind: str
    pictures: str
    networks: int
    untrained: float
    trained: float
    fell: int


def ends_and_middle(path: Path, images: metrics.Pictures) -> float:
    """Density near pictures over that midway between each and the next."""
    profile = metrics.transition_profiles(path, images, np.roll(images, 1, axis=0)).mean(axis=0)
    return float(profile[[0, -1]].sum() / profile[[4, 5]].sum())


def mean_jacobian_norm(path: Path, images: metrics.Pictures) -> float:
    """Mean Jacobian norm at pictures."""
    return float(metrics.jacobian_norms(path, images).mean())


def before_and_after(
    folder: Path, entries: Sequence[Mapping[str, Any]], sorts: Mapping[str, metrics.Pictures]
) -> list[Change]:
    """Compare networks with their initial weights, at several sets of pictures."""
    changes = []
    for what, function in (
        ("Jacobian norm", mean_jacobian_norm),
        ("transitions at ends / in the middle", ends_and_middle),
    ):
        for kind in ("fc", "conv"):
            pairs = [
                (folder / entry["untrained"], folder / entry["file"])
                for entry in entries
                if entry["untrained"] and entry["settings"]["kind"] == kind
            ]
            if not pairs:
                continue
            for name, images in sorts.items():
                values = np.array([[function(path, images) for path in pair] for pair in pairs])
                untrained, trained = values.mean(axis=0)
                fell = int((values[:, 1] < values[:, 0]).sum())
                changes.append(Change(what, kind, name, len(pairs), float(untrained), float(trained), fell))
    return changes


def shuffled(images: metrics.Pictures) -> metrics.Pictures:
    """Pictures with their pixels in random order, another one for each."""
    rows = images.reshape(len(images), -1)
    return np.random.default_rng(0).permuted(rows, axis=1).reshape(images.shape)
