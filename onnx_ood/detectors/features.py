"""Input of detectors: facts about a model, and features of inputs."""

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
    """Linear layer that computes the logits: z = W·h + b.

    Attributes:
        weight: W, float64 [C, D].
        bias: b, float64 [C]; zeros if the layer has none.
        rectified: True if h is never negative: the output of a ReLU or similar, or a mean of such.
    """

    weight: Float
    bias: Float
    rectified: bool


@dataclass(frozen=True)
class RunningStatistics:
    """Running statistics of a BatchNormalization node.

    Attributes:
        name: Name of the tensor that it normalises.
        mean: Running mean of each channel, float64 [C].
        variance: Running variance, float64 [C].
        epsilon: Constant that the node adds to the variance.
    """

    name: str
    mean: Float
    variance: Float
    epsilon: float


@dataclass(frozen=True)
class ModelInfo:
    """Facts about a model that detectors read.

    Attributes:
        probabilities: True if its output is a distribution over classes, False for logits, None if it is not a vector
            of class scores.
        head: Linear layer after the last features, or None.
        pooled: True if those features are means of a feature map.
        norms: BatchNormalization nodes.
        layers: Names of the activations to read, in graph order.
        no_scores: Reason why there are no class scores, or empty.
        no_head: Reason why there is no linear layer, or empty.
        baseline: Features of content-free inputs; None if inputs are not images or it was not requested.
        generic_references: True if references are the bundled photos: the model need not be certain of them.
    """

    probabilities: bool | None
    head: LinearHead | None
    pooled: bool
    norms: tuple[RunningStatistics, ...]
    layers: tuple[str, ...]
    no_scores: str = ""
    no_head: str = ""
    baseline: Features | None = None
    generic_references: bool = False


@dataclass(frozen=True)
class Features:
    """Measured features of N inputs. Parts that a model lacks or nobody requested are None or empty.

    Attributes:
        logits: Logits, float64 [N, C]; logarithms of the probabilities of a model that returns these.
        features: Input of the linear head, float64 [N, D].
        without_rank_1: The same after removing the first singular component of the feature map whose means it holds,
            float64 [N, D].
        activity: Activity profile of the layers in `ModelInfo.layers`, float64 [N, 9·L]; see `activity_profile`.
        peaks: Peaks of up to 64 channels of each of these layers, float32 [N, C] each; see `channel_peaks`.
        norms: Channel statistics of the input of each node in `ModelInfo.norms`.
        pooled: Channel statistics of the feature map whose means the linear head reads.
        drops: Mean cosine drop over copies nudged with white noise, float64 [N, P], at least the noise floor. Probes
            are the layers in `ModelInfo.layers`.
        flips: Mean share of units that flip, float64 [N, P].
        distortions: Mean of the angle at a probe over the angle at the input, float64 [N, P], above 0.
        smooth_drops: Like `drops`, with smooth nudges of the same size, float64 [N, P].
        transitions: Number of flips along a small closed trajectory around the input, divided by the number of units,
            float64 [N, P].
        jacobian: Norm of the Jacobian of the class probabilities, of the last layer in models without, float64 [N].
        finite_outputs: False for inputs with NaN or infinity in the model's own outputs, bool [N]; None if these are
            not read.
        altered: Altered references, one entry per alteration; references only.
    """

    logits: Float | None = None
    features: Float | None = None
    without_rank_1: Float | None = None
    activity: Float | None = None
    peaks: tuple[NDArray[np.float32], ...] = ()
    norms: tuple[ChannelStatistics, ...] = ()
    pooled: ChannelStatistics | None = None
    drops: Float | None = None
    flips: Float | None = None
    distortions: Float | None = None
    smooth_drops: Float | None = None
    transitions: Float | None = None
    jacobian: Float | None = None
    finite_outputs: NDArray[np.bool_] | None = None
    altered: tuple[AlteredReferences, ...] = ()

    def __len__(self) -> int:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, tuple) and value:
                return len(value[0])
            if value is not None and not isinstance(value, tuple):
                return len(value)
        return 0

    def rows(self, which: Sequence[int] | NDArray[np.intp] | slice) -> Features:
        """Return the features of some of the inputs.

        Args:
            which: Indices or slice of inputs.
        """
        count = len(self)

        def some(value: Any) -> Any:
            if isinstance(value, tuple):
                return tuple(some(one) for one in value)
            if isinstance(value, AlteredReferences):
                return value.of_references(np.arange(count)[which])
            if isinstance(value, ChannelStatistics):
                return value.subset(which)
            return None if value is None else value[which]

        return Features(**{field.name: some(getattr(self, field.name)) for field in fields(self)})

    def read_only(self) -> Features:
        """Return the same features in arrays that cannot be written, so that no detector changes those of others."""

        def locked(value: Any) -> Any:
            if isinstance(value, tuple):
                return tuple(map(locked, value))
            if isinstance(value, AlteredReferences):
                return AlteredReferences(value.features.read_only(), locked(value.of))
            if isinstance(value, ChannelStatistics):
                return ChannelStatistics(*(locked(getattr(value, one.name)) for one in fields(value)))
            if value is not None:
                value = value.view()
                value.flags.writeable = False
            return value

        return Features(**{field.name: locked(getattr(self, field.name)) for field in fields(self)})

    def finite(self) -> NDArray[np.bool_]:
        """Return a mask of the inputs without NaN or infinity in any part and in the model's outputs, bool [N]."""
        good = np.ones(len(self), np.bool_) if self.finite_outputs is None else self.finite_outputs.copy()
        for field in fields(self):
            value = getattr(self, field.name)
            for one in value if isinstance(value, tuple) else (value,):
                if isinstance(one, AlteredReferences):
                    good[one.of[~one.features.finite()]] = False
                elif isinstance(one, ChannelStatistics):
                    good &= np.isfinite(one.mean + one.variance + one.largest).all(axis=1)
                elif one is not None:
                    good &= np.isfinite(one.reshape(len(one), -1)).all(axis=1)
        return good

    @staticmethod
    def joined(parts: Sequence[Features]) -> Features:
        """Concatenate the features of several sets of inputs; empty for no sets."""

        def together(values: list[Any]) -> Any:
            if isinstance(values[0], tuple):
                return tuple(together(list(each)) for each in zip(*values, strict=True))
            if isinstance(values[0], AlteredReferences):
                starts = np.cumsum([0, *map(len, parts[:-1])])
                return AlteredReferences(
                    Features.joined([one.features for one in values]),
                    np.concatenate([one.of + start for one, start in zip(values, starts, strict=True)]),
                )
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


@dataclass(frozen=True)
class AlteredReferences:
    """Features of references that were altered in one way; all references or some of them.

    Attributes:
        features: Features of the n altered references.
        of: Index of the reference that each was made from, int64 [n].
    """

    features: Features
    of: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.of)

    def of_references(self, which: NDArray[np.intp]) -> AlteredReferences:
        """Return the altered versions of some of the references.

        Args:
            which: Indices of references. Those without an altered version are skipped.

        Returns:
            The altered versions; `of` are places in `which`.
        """
        places, rows = np.nonzero(np.asarray(which)[:, np.newaxis] == self.of)
        return AlteredReferences(self.features.rows(rows), places)
