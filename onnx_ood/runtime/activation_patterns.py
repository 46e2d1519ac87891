"""Activation patterns of points: the piece of its activation function that each unit is in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from onnx_ood._arguments import checked
from onnx_ood._types import Array
from onnx_ood.exceptions import ModelError, SelectorError, UsageError
from onnx_ood.graph import Model, PatternSite, find_cut, open_at, rewrite, with_pool_indices
from onnx_ood.runtime.arguments import (
    FLOATS,
    check_batch,
    check_batch_size,
    check_feeds,
    find_input,
    find_site,
    fixed_batch_size,
)
from onnx_ood.runtime.batching.batch_axis import find_fed_input
from onnx_ood.runtime.batching.layout import Layout
from onnx_ood.runtime.kernels.pattern_bits import channel_places, differing_bits, pack, packed_bytes
from onnx_ood.runtime.origin import with_outputs
from onnx_ood.runtime.providers import resolve
from onnx_ood.runtime.runner import Found, TensorRunner
from onnx_ood.runtime.session import Session
from onnx_ood.runtime.statistics import flatten


@dataclass(frozen=True)
class ActivationPatterns:
    """Activation patterns of M points.

    Attributes:
        at: The patterns at each site, [M, ...]: uint8 with a bit per unit and threshold (so that a unit adds the
            number of thresholds crossed to the Hamming distance), or int32 with the index of the largest element of
            each window.
    """

    at: tuple[NDArray[Any], ...]

    def __len__(self) -> int:
        return len(self.at[0])

    @property
    def bytes_each(self) -> int:
        """Bytes of the patterns of one point."""
        return sum(prod(one.shape[1:]) * one.itemsize for one in self.at)

    def subset(self, which: Sequence[int] | slice) -> ActivationPatterns:
        """Select the patterns of some of the points."""
        return ActivationPatterns(tuple(one[which] for one in self.at))

    @staticmethod
    def joined(parts: Sequence[ActivationPatterns]) -> ActivationPatterns:
        """Concatenate patterns along the points."""
        return ActivationPatterns(
            tuple(np.concatenate(at) for at in zip(*(part.at for part in parts), strict=True))
        )


def distances(a: ActivationPatterns, b: ActivationPatterns) -> NDArray[np.int64]:
    """Count the units whose pattern differs between points.

    Args:
        a: Patterns of M points.
        b: Patterns of as many, read by the same reader.

    Returns:
        Hamming distance of corresponding points at each of S sites, int64 [M, S]; for windows the number of those whose
        largest element differs.
    """
    columns = [
        differing_bits(left, right) if left.dtype == np.uint8 else np.count_nonzero(left != right, axis=1)
        for left, right in zip(a.at, b.at, strict=True)
    ]
    return np.stack(columns, axis=1).astype(np.int64)


class PatternReader:
    """A model made ready for reading activation patterns.

    Attributes:
        model: The model as loaded.
        site: The tensor whose values points are: a graph input, or a tensor inside the model.
        passing: Tensors that bypass an inner site: computed from inputs and read behind it, except mere sizes. Inputs
            that are fed with points have to make these fit the points.
        sites: The units whose patterns are read.
        provider: `"cuda"` or `"cpu"`: where the model really runs.
        provider_note: Why the CPU is used although CUDA was looked for, or empty.
    """

    @checked
    def __init__(
        self,
        model: Model,
        sites: Sequence[PatternSite],
        *,
        site: str | None = None,
        provider: str = "auto",
        batch_size: int | None = None,
        batch_axis: str | int | None = None,
    ) -> None:
        """Add the tensors as outputs, and create the session.

        Args:
            model: The model.
            sites: Some of its units, as `find_units` returns them.
            site: The tensor whose values points are: a graph input, or a floating-point tensor inside the model with
                one entry per input on its first axis; None for the only floating-point input.
            provider: `"auto"`, `"cuda"` or `"cpu"`.
            batch_size: Points in one run; None lets memory decide. A model with a fixed batch size keeps its own.
            batch_axis: As in `Prober`.

        Raises:
            SelectorError: If there are no units, or one does not depend on the site.
            UsageError: If the site, the provider or the batch size is wrong.
            ModelError: If onnxruntime refuses the model, or a site is not of a floating-point type of numpy.
            ProviderError: If the provider can't run here.
        """
        if not sites:
            raise SelectorError(f"{model.path}: no units are given; name at least one activation function")
        check_batch_size(batch_size)
        self.model, self.sites = model, tuple(sites)
        self.site = find_site(model, site)
        if self.site.dtype not in FLOATS:
            raise UsageError(
                f"the site {self.site.name!r} holds {self.site.dtype}; choose a site of type {', '.join(FLOATS)}"
            )
        resolved = resolve(provider)
        self.provider, self.provider_note = resolved.provider, resolved.reason
        extended, self._places = with_pool_indices(model, [site.name for site in self.sites if site.argmax])
        # The tensor of each site, each once.
        self._read = tuple(dict.fromkeys(self._tensor(site) for site in self.sites))
        self._shapes = {places.indices: places.shape for places in self._places.values()}
        wanted = [*self._read, *self._shapes.values()]
        if self.site.is_input:
            rewritten = rewrite(extended, wanted, keep_outputs=False)
            proto = rewritten.proto
            entry, self.passing = self.site.name, frozenset[str]()
        else:
            rewritten = open_at(extended, [*wanted, self.site.name], self.site.name)
            # Without other outputs, so that the runtime drops what lies before the site.
            proto = with_outputs(rewritten.proto, [rewritten.outputs[name] for name in wanted])
            entry = rewritten.inputs[self.site.name]
            self.passing = frozenset(find_cut(rewritten, self.site.name, wanted).crossing) - extended.sizes
        session = Session(
            proto,
            model.path,
            self.provider,
            carriers={name: rewritten.outputs[name] for name in wanted},
            unordered={rewritten.outputs[name] for name in self._read if name not in self._shapes},
        )
        for name in self._read:
            if name not in self._shapes and session.element(name) not in FLOATS:
                raise ModelError(
                    f"{model.path}: {name!r} holds {session.element(name)}; choose units of type {', '.join(FLOATS)}"
                )
        self.input = find_fed_input(model, find_input(model, self.site), batch_axis)
        self._runner = TensorRunner(
            session,
            model.path,
            entry,
            self._read,
            fetched=list(self._shapes.values()),
            finish=self._count_in_channels,
            # One condition decides for all inputs of a run; a trial run need not show that.
            batch_size=1 if model.branches_by(self.input.name) else batch_size,
            fixed=fixed_batch_size(self.input),
            arrange=self.input.arrange if self.site.is_input else lambda values: values,
        )

    @property
    def batch_size(self) -> int | None:
        """Points in one run; None before the first run."""
        return self._runner.batch_size

    @property
    def concurrent_runs(self) -> int:
        """Number of concurrent runs."""
        return self._runner.workers.runs

    @property
    def batching_note(self) -> str:
        """Reason for running points one at a time, or empty."""
        return self._runner.note

    def units(self) -> tuple[int, ...]:
        """Count the units of each site; known after the first call of `read`."""
        assert self._runner.layout is not None
        return self._units(self._runner.layout)

    def read(self, points: ArrayLike, feeds: Mapping[str, ArrayLike] | None = None) -> ActivationPatterns:
        """Read the activation patterns of points.

        Args:
            points: [M, *site].
            feeds: Values of the graph inputs other than the site, by name: one per point on the batch axis, or, for
                inputs without one, as they are.

        Returns:
            Their patterns.

        Raises:
            UsageError: If a shape doesn't fit, or an input is missing.
            ModelError: If a run fails, gives NaN at a site, or a site has another number of units for another point.
        """
        fed = self.input if self.site.is_input else self.site
        values = check_batch(points, fed)
        checked = check_feeds(feeds or {}, self.model, fed, len(values))

        def begin(layout: Layout) -> ActivationPatterns:
            return ActivationPatterns(
                tuple(
                    np.empty((len(values), units), np.int32)
                    if site.argmax
                    else np.zeros((len(values), packed_bytes(units, len(site.above))), np.uint8)
                    for site, units in zip(self.sites, self._units(layout), strict=True)
                )
            )

        def take(layout: Layout, found: Found, inputs: list[int], patterns: ActivationPatterns) -> None:
            for site, out in zip(self.sites, patterns.at, strict=True):
                self._take(layout, site, found[self._tensor(site)], inputs, out)

        return self._runner.reduce(values, checked, begin, take)

    def _tensor(self, site: PatternSite) -> str:
        return self._places[site.name].indices if site.argmax else site.read

    def _units(self, layout: Layout) -> tuple[int, ...]:
        return tuple(layout.units(self._tensor(site)) for site in self.sites)

    def _count_in_channels(self, found: Found) -> None:
        """Make indices of largest elements relative to their channels."""
        for indices, shape in self._shapes.items():
            found[indices] = channel_places(found[indices], prod(found.pop(shape).tolist()[2:]))

    def _take(
        self, layout: Layout, site: PatternSite, array: Array, inputs: list[int], out: NDArray[Any]
    ) -> None:
        """Write the patterns of one run at a site."""
        name = self._tensor(site)
        samples = layout.split(name, array, len(inputs))
        if samples[0].size != layout.units(name):
            raise ModelError(
                f"{self.model.path}: {site.name!r} has {layout.units(name)} units for one point and {samples[0].size} "
                "for another, so they cannot be compared; leave it out"
            )
        if site.argmax:
            out[inputs] = samples.reshape(len(inputs), -1)
            return
        values = flatten(samples)
        undefined = pack(values, np.array(site.above, values.dtype), np.array(inputs, np.int64), out)
        if undefined:
            raise ModelError(
                f"{self.model.path}: {site.name!r} is NaN for {undefined} units, which have no activation pattern; "
                "choose points closer to real inputs"
            )
