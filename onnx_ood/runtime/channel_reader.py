"""Channel statistics of tensors: one run of the model, a few numbers per channel and input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from onnx_ood._types import Array, Float
from onnx_ood.exceptions import ModelError, UsageError
from onnx_ood.graph import ChannelAxes, Model, Tensor, rewrite
from onnx_ood.runtime.arguments import (
    FLOATS,
    check_batch,
    check_batch_size,
    check_feeds,
    first_input,
    fixed_batch_size,
)
from onnx_ood.runtime.batching.batch_axis import find_fed_input
from onnx_ood.runtime.batching.layout import Layout
from onnx_ood.runtime.blocked_layout import in_order, split_blocks
from onnx_ood.runtime.kernels.channel_sums import ChannelSums, channel_sums
from onnx_ood.runtime.kernels.lane_sums import lane_sums
from onnx_ood.runtime.measurement import join_outputs
from onnx_ood.runtime.providers import resolve
from onnx_ood.runtime.runner import Found, TensorRunner
from onnx_ood.runtime.session import Session, block_width
from onnx_ood.runtime.statistics import flatten

# Channels of a block of channels-last tensors: reduced together.
_LANES = 8
# Element types of quantized values, which can be returned as they are.
_QUANTIZED = ("int8", "uint8")
# Axes of a picture without a batch axis: a tensor of more has rows first, such as the regions of a detector.
_MAX_UNBATCHED_AXES = 3


@dataclass(frozen=True)
class ChannelStatistics:
    """Statistics of the channels of a tensor over its positions, for N inputs and C channels.

    Attributes:
        mean: float64 [N, C].
        variance: float64 [N, C].
        largest: float64 [N, C].
        active: Fraction of positions where the channel is above 0, float64 [N, C].
    """

    mean: Float
    variance: Float
    largest: Float
    active: Float

    def __len__(self) -> int:
        return len(self.mean)

    def subset(self, which: Sequence[int] | NDArray[np.intp] | slice) -> ChannelStatistics:
        """Select the statistics of some of the inputs."""
        return ChannelStatistics(*(getattr(self, field.name)[which] for field in fields(self)))

    @staticmethod
    def empty(inputs: int, channels: int) -> ChannelStatistics:
        """Allocate statistics."""
        return ChannelStatistics(*(np.empty((inputs, channels)) for _ in fields(ChannelStatistics)))

    @staticmethod
    def joined(parts: Sequence[ChannelStatistics]) -> ChannelStatistics:
        """Concatenate statistics along the inputs."""
        return ChannelStatistics(
            *(
                np.concatenate([getattr(part, field.name) for part in parts])
                for field in fields(ChannelStatistics)
            )
        )


@dataclass(frozen=True)
class Channels:
    """Channels of N inputs.

    Attributes:
        statistics: Channel statistics by tensor.
        values: Values [N, *sample] by tensor, of the tensors requested.
        without_rank_1: Channel means without the first singular component by tensor, float64 [N, C].
        outputs: The model's own outputs, if requested, as `Measurement.outputs`.
    """

    statistics: Mapping[str, ChannelStatistics]
    values: Mapping[str, NDArray[Any]]
    without_rank_1: Mapping[str, Float]
    outputs: Mapping[str, Array] = field(default_factory=dict)


class ChannelReader:
    """A model made ready for reading channels.

    Attributes:
        model: The model as loaded.
        input: The graph input that the batch feeds.
        provider: `"cuda"` or `"cpu"`: where the model really runs.
        provider_note: Why the CPU is used although CUDA was looked for, or empty.
        placement: Number of nodes that run on each execution provider of the runtime.
        fallback_nodes: Names of added nodes that don't run on the provider though they should; any is a bug.
    """

    def __init__(
        self,
        model: Model,
        tensors: Sequence[str],
        *,
        values: Sequence[str] = (),
        without_rank_1: Sequence[str] = (),
        outputs: bool = False,
        fed: Tensor | None = None,
        provider: str = "auto",
        batch_size: int | None = None,
        batch_axis: str | int | None = None,
    ) -> None:
        """Add the tensors as outputs, and create the session.

        Args:
            model: The model.
            tensors: Names of floating-point tensors whose channels are reduced.
            values: Names of tensors to return as they are.
            without_rank_1: Names of feature maps, [N, C, ...], whose first singular component is removed.
            outputs: True to return the model's own outputs too.
            fed: The graph input that the batch feeds; None for the first that a batch can feed.
            provider: `"auto"`, `"cuda"` or `"cpu"`.
            batch_size: Inputs in one run; None lets memory decide.
            batch_axis: As in `Prober`.

        Raises:
            UsageError: If the provider or the batch size is wrong, or no tensor is given.
            ModelError: If onnxruntime refuses the model, or a tensor is not of a floating-point type of numpy.
            ProviderError: If the provider can't run here.
        """
        self._read = tuple(dict.fromkeys([*tensors, *values, *without_rank_1]))
        if not self._read and not outputs:
            raise UsageError(f"{model.path}: no tensors are given; name at least one")
        check_batch_size(batch_size)
        self.model = model
        self._tensors, self._values = tuple(dict.fromkeys(tensors)), tuple(dict.fromkeys(values))
        self._maps = tuple(dict.fromkeys(without_rank_1))
        self.input = find_fed_input(model, fed or first_input(model), batch_axis)
        resolved = resolve(provider)
        self.provider, self.provider_note = resolved.provider, resolved.reason
        axes = ChannelAxes(model)
        self._last = {name for name in self._read if axes.last(name)}
        rewritten = rewrite(model, self._read, keep_outputs=outputs)
        only_statistics = set(self._tensors) - {*self._values, *self._maps}
        session = Session(
            rewritten.proto,
            model.path,
            self.provider,
            carriers=rewritten.outputs,
            unordered={rewritten.outputs[name] for name in only_statistics}
            - set(model.outputs if outputs else ()),
        )
        self._blocked = session.blocked
        for name in self._read:
            readable = (*FLOATS, *_QUANTIZED) if name in self._values else FLOATS
            if session.element(name) not in readable:
                raise ModelError(
                    f"{model.path}: {name!r} holds {session.element(name)}; choose tensors of {', '.join(readable)}"
                )
        self._outputs = [name for name in model.outputs if session.is_tensor(name)] if outputs else []
        self.placement, self.fallback_nodes = session.placement, session.fallback_nodes
        self._runner = TensorRunner(
            session,
            model.path,
            self.input.name,
            self._read,
            fetched=self._outputs,
            # One condition decides for all inputs of a run; a trial run need not show that.
            batch_size=1 if model.branches_by(self.input.name) else batch_size,
            fixed=fixed_batch_size(self.input),
            arrange=self.input.arrange,
        )

    @property
    def batch_size(self) -> int | None:
        """Inputs in one run; None before the first run."""
        return self._runner.batch_size

    @property
    def batching_note(self) -> str:
        """Reason for running inputs one at a time or omitting an output, or empty."""
        return self._runner.note

    @property
    def random_operators(self) -> tuple[str, ...]:
        """Operators that make two runs of the same input differ, as far as runs have shown; empty if they agreed."""
        return self._runner.random_operators(self.model)

    def read(self, batch: ArrayLike, feeds: Mapping[str, ArrayLike] | None = None) -> Channels:
        """Read the channels of inputs.

        Args:
            batch: [N, *input].
            feeds: Values of the other graph inputs by name: one per input on the batch axis, or, for inputs without
                one, as they are.

        Returns:
            The channels. A NaN in a tensor makes the statistics of its channel NaN.

        Raises:
            UsageError: If a shape doesn't fit, or an input is missing.
            ModelError: If a run fails, or inputs differ in the number of channels of a tensor.
        """
        values = check_batch(batch, self.input)
        checked = check_feeds(feeds or {}, self.model, self.input, len(values))
        samples_of: dict[str, list[Array]] = {}

        def begin(layout: Layout) -> Channels:
            channels = {name: self._channels(layout, name) for name in self._read}
            empty: Array = np.empty(0)
            samples_of.update(
                (name, [empty] * len(values)) for name in self._outputs if name in layout.shapes
            )
            return Channels(
                {name: ChannelStatistics.empty(len(values), channels[name]) for name in self._tensors},
                {name: np.empty((len(values), *layout.sample_shape(name))) for name in self._values},
                {name: np.empty((len(values), channels[name])) for name in self._maps},
            )

        def take(layout: Layout, found: Found, inputs: list[int], out: Channels) -> None:
            for name in self._read:
                samples = self._samples(layout, name, found[name], len(inputs))
                if name in out.values:
                    self._put(name, out.values[name], inputs, samples)
                if name in out.statistics:
                    statistics = out.statistics[name]
                    sums = self._sums(layout, name, found[name], samples)
                    for field, part in zip(fields(statistics), sums, strict=True):
                        self._put(name, getattr(statistics, field.name), inputs, part)
                if name in out.without_rank_1:
                    by_channel = self._by_channel(layout, name, samples)
                    self._put(name, out.without_rank_1[name], inputs, _without_rank_1(by_channel))
            for name, each in layout.split_all(
                {name: found[name] for name in self._outputs}, len(inputs)
            ).items():
                for i, sample in zip(inputs, each, strict=True):
                    samples_of[name][i] = sample

        channels = self._runner.reduce(values, checked, begin, take)
        return replace(channels, outputs={name: join_outputs(each) for name, each in samples_of.items()})

    def _channels(self, layout: Layout, name: str) -> int:
        """Count the channels of a sample; a single number is one."""
        if self._found(layout, name):
            return layout.shapes[name][1] if len(layout.shapes[name]) > 1 else 1
        shape = layout.sample_shape(name)
        return shape[-1 if name in self._last else 0] if shape else 1

    def _found(self, layout: Layout, name: str) -> bool:
        """Return whether a tensor has rows that the model found in an input, [rows, C, ...], in place of inputs."""
        if name in self._last or name in self._values:
            return False
        one_input = layout.fixed and layout.batch_size == 1
        return name in layout.dependent or (one_input and len(layout.shapes[name]) > _MAX_UNBATCHED_AXES)

    def _samples(self, layout: Layout, name: str, array: Array, batch_size: int) -> Array:
        """Split a tensor by input, without a batch axis of size 1; [B, *sample]."""
        samples = layout.split(name, array, batch_size)
        if self._found(layout, name):
            return samples
        axis = layout.axes.get(name, 0) + 1
        return samples.squeeze(axis) if samples.shape[axis : axis + 1] == (1,) else samples

    def _sums(self, layout: Layout, name: str, array: Array, samples: Array) -> ChannelSums:
        """Reduce the samples of a run to channel statistics.

        Args:
            layout: Layout of the run.
            name: Name of the tensor.
            array: The tensor.
            samples: Its samples; of a tensor in blocked order, with wrong places of the values.
        """
        if name in self._blocked:
            width = block_width()
            inputs_first = not layout.axes.get(name, 0) and not self._found(layout, name)
            if inputs_first and samples.shape == array.shape:
                return lane_sums(split_blocks(array, width))
            samples = self._samples(layout, name, in_order(array, width), len(samples))
        if name in self._last and samples.ndim > 1 and samples.shape[-1] % _LANES == 0:
            rows = flatten(samples)
            if rows.dtype == np.float32:
                lanes = rows.reshape(len(samples), -1, samples.shape[-1] // _LANES, _LANES)
                return lane_sums(lanes.transpose(0, 2, 1, 3))
        return channel_sums(self._by_channel(layout, name, samples))

    def _by_channel(self, layout: Layout, name: str, samples: Array) -> NDArray[Any]:
        """Reshape samples to [B, C, S], float64 or float32, contiguous."""
        if self._found(layout, name):
            samples = np.moveaxis(samples, 2, 1) if samples.ndim > 2 else samples[:, np.newaxis]
        elif samples.ndim == 1:
            samples = samples[:, np.newaxis]
        if name in self._last:
            samples = np.moveaxis(samples, -1, 1)
        batch_size, channels = samples.shape[:2]
        return flatten(samples).reshape(batch_size, channels, -1)

    def _put(self, name: str, out: NDArray[Any], inputs: list[int], part: NDArray[Any]) -> None:
        """Store the result of one run."""
        if part.shape[1:] != out.shape[1:]:
            raise ModelError(
                f"{self.model.path}: {name!r} has the shape {out.shape[1:]} for one input and {part.shape[1:]} for "
                "another, so they cannot be compared"
            )
        out[inputs] = part


def _without_rank_1(by_channel: NDArray[Any]) -> Float:
    """Means of the channels of X − s₁·u₁·v₁ᵀ, [B, C], for matrices X = [C, S]; NaN without a decomposition."""
    wide = by_channel.astype(np.float64)
    try:
        u, s, v = np.linalg.svd(wide, full_matrices=False)
    except np.linalg.LinAlgError:
        # NaN, infinity or values of very different sizes in one of them.
        if len(wide) == 1:
            return np.full(wide.shape[:2], np.nan)
        return np.concatenate([_without_rank_1(one[np.newaxis]) for one in wide])
    means: Float = wide.mean(axis=2) - s[:, :1] * u[:, :, 0] * v[:, 0].mean(axis=1, keepdims=True)
    return means
