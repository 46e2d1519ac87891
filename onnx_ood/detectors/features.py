"""What detectors work with: what is known of a model, and what was measured of inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnx_ood._types import Float
from onnx_ood.runtime import ChannelStatistics


@dataclass(frozen=True)
class LinearHead:
    """The linear layer that gives the logits: z = W·h + b.

    Attributes:
        weight: W, float64 [C, D].
        bias: b, float64 [C]; zeros where the layer has none.
        rectified: True if h is never negative: the result of a ReLU or its like, or a mean of such.
    """

    weight: Float
    bias: Float
    rectified: bool


@dataclass(frozen=True)
class RunningStatistics:
    """What a BatchNormalization node knows of the training data.

    Attributes:
        name: The tensor that it normalises.
        mean: Running mean of each channel, float64 [C].
        variance: Running variance, float64 [C].
        epsilon: What the node adds to the variance.
    """

    name: str
    mean: Float
    variance: Float
    epsilon: float


@dataclass(frozen=True)
class ModelInfo:
    """What is known of a model without any input of its own.

    Attributes:
        probabilities: True if its output is a distribution already, False if it is logits; None if it is no row of
            class scores.
        head: The linear layer behind the last features, None where there is none to be found.
        pooled: True if those features are means of a feature map.
        norms: Its BatchNormalization nodes.
        layers: Names of the activations that are read, in order of the graph.
        blanks: What was measured of blank pictures; None where inputs are no pictures, or nobody asked.
    """

    probabilities: bool | None
    head: LinearHead | None
    pooled: bool
    norms: tuple[RunningStatistics, ...]
    layers: tuple[str, ...]
    blanks: Features | None = None


@dataclass(frozen=True)
class Features:
    """What was measured of N inputs. What a model doesn't have, or nobody asked for, is None or empty.

    Attributes:
        logits: float64 [N, C]; of a model that gives probabilities their logarithms.
        features: What the linear head reads, float64 [N, D].
        without_rank_1: The same, had the feature map that it is the mean of lost its first singular component; [N, D].
        layers: Channel statistics of each layer of the subject.
        norms: Channel statistics of what each BatchNormalization node of the subject reads.
        pooled: Channel statistics of the feature map that the features are means of.
        drops: Mean cosine drop over copies of a nudged input at each of P probes, [N, P], noise floor at least. Probes
            are the layers of the subject, nudges are white noise.
        flips: Mean share of units that flip, [N, P].
        distortions: Mean of the angle at a probe over that at the input, [N, P], above 0.
        smooth_drops: The same as `drops` of smooth nudges of the same size, [N, P].
        transitions: Units that flip along a small closed trajectory round the input, counted as often as they do, over
            the number of units, [N, P].
        jacobian: Norm of the Jacobian of the class probabilities, of the last layer where there are none, [N].
        altered: Of references, what was measured of the same inputs altered: one entry a kind.
    """

    logits: Float | None = None
    features: Float | None = None
    without_rank_1: Float | None = None
    layers: tuple[ChannelStatistics, ...] = ()
    norms: tuple[ChannelStatistics, ...] = ()
    pooled: ChannelStatistics | None = None
    drops: Float | None = None
    flips: Float | None = None
    distortions: Float | None = None
    smooth_drops: Float | None = None
    transitions: Float | None = None
    jacobian: Float | None = None
    altered: tuple[Features, ...] = ()

    def __len__(self) -> int:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, tuple) and value:
                return len(value[0])
            if value is not None and not isinstance(value, tuple):
                return len(value)
        return 0

    def rows(self, which: Sequence[int] | NDArray[np.intp] | slice) -> Features:
        """What was measured of some of the inputs."""

        def some(value: Any) -> Any:
            if isinstance(value, tuple):
                return tuple(one.rows(which) for one in value)
            if isinstance(value, ChannelStatistics):
                return value.subset(which)
            return None if value is None else value[which]

        return Features(**{field.name: some(getattr(self, field.name)) for field in fields(self)})

    def finite(self) -> NDArray[np.bool_]:
        """Inputs for which nothing is NaN or infinite, bool [N]."""
        good = np.ones(len(self), np.bool_)
        for field in fields(self):
            value = getattr(self, field.name)
            for one in value if isinstance(value, tuple) else (value,):
                if isinstance(one, Features):
                    good &= one.finite()
                elif isinstance(one, ChannelStatistics):
                    good &= np.isfinite(one.mean + one.variance + one.largest).all(axis=1)
                elif one is not None:
                    good &= np.isfinite(one.reshape(len(one), -1)).all(axis=1)
        return good

    @staticmethod
    def joined(parts: Sequence[Features]) -> Features:
        """Evidence of inputs one behind the other; empty of no parts."""

        def together(values: list[Any]) -> Any:
            if isinstance(values[0], tuple):
                return tuple(type(each[0]).joined(each) for each in zip(*values, strict=True))
            if isinstance(values[0], ChannelStatistics):
                return ChannelStatistics.joined(values)
            return None if values[0] is None else np.concatenate(values)

        if not parts:
            return Features()
        return Features(
            **{
                field.name: together([getattr(part, field.name) for part in parts])
                for field in fields(Features)
            }
        )
