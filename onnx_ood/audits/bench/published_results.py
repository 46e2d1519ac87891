"""Published results of OpenOOD v1.5, to compare own results with."""

from __future__ import annotations

from typing import NamedTuple

SOURCES = {
    name: f"OpenOOD v1.5 leaderboard (J. Zhang et al., arXiv:2306.09301): results/{table}.csv of "
    "github.com/zjysteven/OpenOOD at commit 28d3a40, rows trained with cross-entropy"
    for name, table in (("cifar10", "cifar10"), ("imagenet200", "imagenet200_ood"))
}
"""Tables of the published results by protocol."""


class Published(NamedTuple):
    """Published AUROCs of one method, in percent, mean and standard deviation of training runs.

    Attributes:
        method: Name in the table.
        detector: Name of the detector here.
        near: Mean AUROC over the near sets.
        near_sd: Its standard deviation; None for a single run.
        far: Mean AUROC over the far sets.
        far_sd: Its standard deviation; None for a single run.
    """

    method: str
    detector: str
    near: float
    near_sd: float | None
    far: float
    far_sd: float | None


NETS = {
    "cifar10": "ResNet-18 for 32x32 pixels, 100 epochs, accuracy 95.06%",
    "imagenet200": "ResNet-18, 90 epochs, accuracy 86.37%",
}
"""Nets of the published results by protocol."""

PUBLISHED = {
    "cifar10": (
        Published("MSP", "msp", 88.03, 0.25, 90.73, 0.43),
        Published("MLS", "max_logit", 87.52, 0.47, 91.10, 0.89),
        Published("EBO", "energy", 87.58, 0.46, 91.21, 0.92),
        Published("GEN", "gen", 88.20, 0.30, 91.35, 0.69),
        Published("KNN", "knn", 90.64, 0.20, 92.96, 0.14),
        Published("VIM", "vim", 88.68, 0.28, 93.48, 0.24),
        Published("fDBD", "fdbd", 90.42, None, 93.16, None),
        Published("ASH", "ash", 75.27, 1.04, 78.49, 2.58),
        Published("SCALE", "scale", 82.55, 0.36, 86.39, 1.86),
        Published("GradNorm", "grad_norm", 54.90, 0.98, 57.55, 3.22),
        Published("RankFeat", "rank_feat", 79.46, 2.52, 75.87, 5.06),
    ),
    "imagenet200": (
        Published("MSP", "msp", 83.34, 0.06, 90.13, 0.09),
        Published("MLS", "max_logit", 82.90, 0.04, 91.11, 0.19),
        Published("EBO", "energy", 82.50, 0.05, 90.86, 0.21),
        Published("GEN", "gen", 83.68, 0.06, 91.36, 0.10),
        Published("KNN", "knn", 81.57, 0.17, 93.16, 0.22),
        Published("VIM", "vim", 78.68, 0.24, 91.26, 0.19),
        Published("fDBD", "fdbd", 84.27, 0.08, 93.45, 0.12),
        Published("ASH", "ash", 82.38, 0.19, 93.90, 0.27),
        Published("SCALE", "scale", 84.84, 0.28, 93.98, 0.25),
        Published("GradNorm", "grad_norm", 72.75, 0.48, 84.26, 0.87),
        Published("RankFeat", "rank_feat", 56.92, 1.59, 38.22, 3.85),
    ),
}
"""Published results of methods that are detectors here, by protocol."""
