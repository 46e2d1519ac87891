"""What the channels of tensors hold, for each input: one run of the model, a few numbers a channel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from onnx_ood._types import Array, Float
from onnx_ood.exceptions import ModelError, UsageError
from onnx_ood.graph import ChannelAxes, Model, Tensor, rewrite
from onnx_ood.runtime.arguments import FLOATS, check_batch, check_feeds, first_input, fixed_rows
from onnx_ood.runtime.batching.layout import Layout
from onnx_ood.runtime.kernels.channel_sums import channel_sums
from onnx_ood.runtime.providers import resolve
from onnx_ood.runtime.runner import Found, PointRunner
from onnx_ood.runtime.session import Session


@dataclass(frozen=True)
class ChannelStatistics:
    """What the channels of a tensor hold, over its places.

    Attributes:
        mean: float64 [N, C].
        variance: float64 [N, C].
        largest: float64 [N, C].
        active: Share of places where the channel is above 0, float64 [N, C].
    """

    mean: Float
    variance: Float
    largest: Float
    active: Float

    def __len__(self) -> int:
        return len(self.mean)

    def subset(self, which: Sequence[int] | NDArray[np.intp] | slice) -> ChannelStatistics:
        """The statistics of some of the inputs."""
        return ChannelStatistics(*(getattr(self, field.name)[which] for field in fields(self)))

    @staticmethod
    def empty(inputs: int, channels: int) -> ChannelStatistics:
        """Room for statistics."""
        return ChannelStatistics(*(np.empty((inputs, channels)) for _ in fields(ChannelStatistics)))

    @staticmethod
    def joined(parts: Sequence[ChannelStatistics]) -> ChannelStatistics:
        """Statistics of inputs one behind the other."""
        return ChannelStatistics(
            *(
                np.concatenate([getattr(part, field.name) for part in parts])
                for field in fields(ChannelStatistics)
            )
        )


@dataclass(frozen=True)
class Channels:
    """What was read of N inputs.

    Attributes:
        statistics: By tensor, what its channels hold.
        values: By tensor, its values, [N, *share]; of those that were asked for.
        without_rank_1: By tensor, the means of its channels had it lost its first singular component, float64 [N, C].
    """

    statistics: Mapping[str, ChannelStatistics]
    values: Mapping[str, NDArray[Any]]
    without_rank_1: Mapping[str, Float]


class ChannelReader:
    """A model made ready for reading what channels hold.

    Attributes:
        model: The model as loaded.
        input: The graph input that inputs are fed to.
        provider: `"cuda"` or `"cpu"`: where it really runs.
        provider_note: Why it is the CPU although CUDA was looked for, or empty.
    """

    def __init__(
        self,
        model: Model,
        tensors: Sequence[str],
        *,
        values: Sequence[str] = (),
        without_rank_1: Sequence[str] = (),
        fed: Tensor | None = None,
        provider: str = "auto",
        batch_size: int | None = None,
    ) -> None:
        """Marks what is read, and creates the session.

        Args:
            model: The model.
            tensors: Names of tensors of floats whose channels are summed up.
            values: Names of tensors that are wanted as they are.
            without_rank_1: Names of feature maps, [N, C, ...], whose first singular component is taken out.
            fed: The graph input that inputs are fed to; None for the first that a batch can feed.
            provider: `"auto"`, `"cuda"` or `"cpu"`.
            batch_size: Inputs in one run; None lets memory decide.

        Raises:
            UsageError: If the provider or the batch size is wrong, or nothing is to be read.
            ModelError: If onnxruntime refuses the model, or a tensor holds no floats that numpy can hold.
            ProviderError: If the provider can't run here.
        """
        self._read = tuple(dict.fromkeys([*tensors, *values, *without_rank_1]))
        if not self._read:
            raise UsageError(f"{model.path}: no tensors are given that could be read")
        if batch_size is not None and batch_size < 1:
            raise UsageError(f"batch size must be at least 1, but is {batch_size}")
        self.model = model
        self._tensors, self._values = tuple(dict.fromkeys(tensors)), tuple(dict.fromkeys(values))
        self._maps = tuple(dict.fromkeys(without_rank_1))
        self.input = fed or first_input(model)
        resolved = resolve(provider)
        self.provider, self.provider_note = resolved.provider, resolved.reason
        axes = ChannelAxes(model)
        self._last = {name for name in self._read if axes.last(name)}
        rewritten = rewrite(model, self._read, keep_outputs=False)
        session = Session(rewritten.proto, model.path, self.provider, carriers=rewritten.outputs)
        for name in self._read:
            if session.element(name) not in FLOATS:
                raise ModelError(
                    f"{model.path}: {name!r} holds {session.element(name)}, not {FLOATS}; leave it out"
                )
        self._runner = PointRunner(
            session,
            model.path,
            self.input.name,
            self._read,
            batch_size=batch_size,
            fixed=fixed_rows(self.input),
        )

    @property
    def batching_note(self) -> str:
        """What a user should know about the way inputs are run (one at a time, and why), or empty."""
        return self._runner.layout.note if self._runner.layout else ""

    def read(self, batch: ArrayLike, feeds: Mapping[str, ArrayLike] | None = None) -> Channels:
        """Reads inputs.

        Args:
            batch: [N, *input].
            feeds: Values of the other graph inputs by name: one for each input on the batch axis, or, where they have
                none, as they are.

        Returns:
            What was asked for. A NaN in a tensor makes the statistics of its channel NaN.

        Raises:
            UsageError: If a shape doesn't fit, or an input is missing.
            ModelError: If a run fails, or inputs differ in the channels that a tensor has.
        """
        values = check_batch(batch, self.input)
        checked = check_feeds(feeds or {}, self.model, self.input, len(values))

        def begin(layout: Layout) -> Channels:
            channels = {name: self._channels(name, layout.own_shape(name)) for name in self._read}
            return Channels(
                {name: ChannelStatistics.empty(len(values), channels[name]) for name in self._tensors},
                {name: np.empty((len(values), *layout.own_shape(name))) for name in self._values},
                {name: np.empty((len(values), channels[name])) for name in self._maps},
            )

        def take(layout: Layout, found: Found, inputs: list[int], out: Channels) -> None:
            for name in self._read:
                shares = self._shares(layout, name, found[name], len(inputs))
                if name in out.values:
                    self._put(name, out.values[name], inputs, shares)
                if name not in out.statistics and name not in out.without_rank_1:
                    continue
                rows = self._by_channel(name, shares)
                if name in out.statistics:
                    statistics = out.statistics[name]
                    for field, part in zip(fields(statistics), channel_sums(rows), strict=True):
                        self._put(name, getattr(statistics, field.name), inputs, part)
                if name in out.without_rank_1:
                    self._put(name, out.without_rank_1[name], inputs, _without_rank_1(rows))

        return self._runner.reduce(values, checked, begin, take)

    def _channels(self, name: str, shape: tuple[int, ...]) -> int:
        """Number of channels of a share; a single number is one."""
        return shape[-1 if name in self._last else 0] if shape else 1

    def _shares(self, layout: Layout, name: str, array: Array, rows: int) -> Array:
        """Each input's share, without an axis of 1 for the batch; [rows, *share]."""
        shares = layout.cut(name, array, rows)
        axis = layout.axes.get(name, 0) + 1
        return shares.squeeze(axis) if shares.shape[axis : axis + 1] == (1,) else shares

    def _by_channel(self, name: str, shares: Array) -> NDArray[Any]:
        """Shares as [R, C, S], float64 or float32, contiguous."""
        if shares.ndim == 1:
            shares = shares[:, np.newaxis]
        rows = np.moveaxis(shares, -1, 1) if name in self._last else shares
        rows = rows.reshape(*rows.shape[:2], -1)
        wide = rows.dtype in {np.dtype(np.float32), np.dtype(np.float64)}
        return np.ascontiguousarray(rows, dtype=None if wide else np.float32)

    def _put(self, name: str, out: NDArray[Any], inputs: list[int], part: NDArray[Any]) -> None:
        """Stores what one run gave."""
        if part.shape[1:] != out.shape[1:]:
            raise ModelError(
                f"{self.model.path}: {name!r} has the shape {out.shape[1:]} for one input and {part.shape[1:]} for "
                "another, so that they can't be compared"
            )
        out[inputs] = part


def _without_rank_1(rows: NDArray[Any]) -> Float:
    """Means of the channels of X − s₁·u₁·v₁ᵀ, [R, C], for matrices X = [C, S]."""
    wide = rows.astype(np.float64)
    u, s, v = np.linalg.svd(wide, full_matrices=False)
    means: Float = wide.mean(axis=2) - s[:, :1] * u[:, :, 0] * v[:, 0].mean(axis=1, keepdims=True)
    return means
