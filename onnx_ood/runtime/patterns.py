"""Activation codes of points: which piece of its activation function each unit is in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from onnx_ood._types import Array
from onnx_ood.exceptions import ModelError, SelectorError, UsageError
from onnx_ood.graph import Model, PatternSite, find_cut, open_at, rewrite, with_places
from onnx_ood.runtime.arguments import FLOATS, check_batch, check_feeds, find_input, find_site, fixed_rows
from onnx_ood.runtime.batching.layout import Layout
from onnx_ood.runtime.kernels.pattern_bits import channel_places, differing_bits, pack, packed_bytes
from onnx_ood.runtime.origin import with_outputs
from onnx_ood.runtime.providers import resolve
from onnx_ood.runtime.runner import Found, PointRunner
from onnx_ood.runtime.session import Session
from onnx_ood.runtime.statistics import as_rows


@dataclass(frozen=True)
class ActivationPatterns:
    """Activation codes of M points.

    Attributes:
        at: For each site the codes, [M, ...]: uint8 with a bit for each unit and threshold (so that the Hamming
            distance is the difference of how many thresholds a unit is above, summed up); int32 with the place of
            the largest element of each window.
    """

    at: tuple[NDArray[Any], ...]

    def __len__(self) -> int:
        return len(self.at[0])

    @property
    def bytes_each(self) -> int:
        """Bytes that the codes of one point take."""
        return sum(prod(codes.shape[1:]) * codes.itemsize for codes in self.at)

    def subset(self, which: Sequence[int] | slice) -> ActivationPatterns:
        """The codes of some of the points."""
        return ActivationPatterns(tuple(codes[which] for codes in self.at))

    @staticmethod
    def joined(parts: Sequence[ActivationPatterns]) -> ActivationPatterns:
        """Codes of points one behind the other."""
        return ActivationPatterns(
            tuple(np.concatenate(codes) for codes in zip(*(part.at for part in parts), strict=True))
        )


def distances(a: ActivationPatterns, b: ActivationPatterns) -> NDArray[np.int64]:
    """How many codes change from one point to another.

    Args:
        a: Codes of M points.
        b: Codes of as many, read by the same reader.

    Returns:
        [M, S]: for each two rows and each site the Hamming distance; of windows how many have another largest element.
    """
    columns = [
        differing_bits(left, right) if left.dtype == np.uint8 else np.count_nonzero(left != right, axis=1)
        for left, right in zip(a.at, b.at, strict=True)
    ]
    return np.stack(columns, axis=1).astype(np.int64)


class PatternReader:
    """A model made ready for reading codes.

    Attributes:
        model: The model as loaded.
        site: The tensor whose values points are: a graph input, or a tensor inside.
        passing: Tensors that are computed from inputs and read behind an inner site without going through it, those
            that tell sizes alone left out. Inputs that are fed beside points have to give what goes with the points.
        sites: The units whose codes are read.
        provider: `"cuda"` or `"cpu"`: where it really runs.
        provider_note: Why it is the CPU although CUDA was looked for, or empty.
    """

    def __init__(
        self,
        model: Model,
        sites: Sequence[PatternSite],
        *,
        site: str | None = None,
        provider: str = "auto",
        batch_size: int | None = None,
    ) -> None:
        """Marks what is read, and creates the session.

        Args:
            model: The model.
            sites: Its units, of those that `find_units` gives.
            site: The tensor whose values points are: a graph input, or a tensor of floats inside the model that has
                one entry for each input on its first axis; None for the only input of floats.
            provider: `"auto"`, `"cuda"` or `"cpu"`.
            batch_size: Points in one run; None lets memory decide. A model with a fixed batch size keeps its own.

        Raises:
            SelectorError: If there are no units, or one does not depend on the site.
            UsageError: If the site, the provider or the batch size is wrong.
            ModelError: If onnxruntime refuses the model, or a site holds no floats that numpy can hold.
            ProviderError: If the provider can't run here.
        """
        if not sites:
            raise SelectorError(f"{model.path}: no units are given whose codes could be read")
        if batch_size is not None and batch_size < 1:
            raise UsageError(f"batch size must be at least 1, but is {batch_size}")
        self.model, self.sites = model, tuple(sites)
        self.site = find_site(model, site)
        if self.site.dtype not in FLOATS:
            raise UsageError(f"the site {self.site.name!r} holds {self.site.dtype}; points need {FLOATS}")
        resolved = resolve(provider)
        self.provider, self.provider_note = resolved.provider, resolved.reason
        extended, self._places = with_places(model, [site.name for site in self.sites if site.argmax])
        # What is run for each site, each once.
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
            self.passing = frozenset(find_cut(rewritten, self.site.name, wanted).carried) - extended.sizes
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
                    f"{model.path}: {name!r} holds {session.element(name)}; codes need {FLOATS}, so leave it out"
                )
        self._runner = PointRunner(
            session,
            model.path,
            entry,
            self._read,
            fetched=list(self._shapes.values()),
            finish=self._count_in_channels,
            batch_size=batch_size,
            fixed=fixed_rows(find_input(model, self.site)),
        )

    @property
    def batch_size(self) -> int | None:
        """Points in one run, or None as long as nothing was run."""
        return self._runner.layout.batch_size if self._runner.layout else None

    @property
    def concurrent_runs(self) -> int:
        """How many runs go on beside each other."""
        return self._runner.concurrent_runs

    @property
    def batching_note(self) -> str:
        """What a user should know about the way points are run (one at a time, and why), or empty."""
        return self._runner.layout.note if self._runner.layout else ""

    def units(self) -> tuple[int, ...]:
        """Number of units of each site, once something was read."""
        assert self._runner.layout is not None
        return self._units(self._runner.layout)

    def read(self, points: ArrayLike, feeds: Mapping[str, ArrayLike] | None = None) -> ActivationPatterns:
        """Reads the codes of points.

        Args:
            points: [M, *site].
            feeds: Values of the graph inputs that are not the site, by name: one for each point on the batch axis, or,
                where they have none, as they are.

        Returns:
            Their codes.

        Raises:
            UsageError: If a shape doesn't fit, or an input is missing.
            ModelError: If a run fails, gives NaN at a site, or a site has another number of units for another point.
        """
        values = check_batch(points, self.site)
        checked = check_feeds(feeds or {}, self.model, self.site, len(values))

        def begin(layout: Layout) -> ActivationPatterns:
            return ActivationPatterns(
                tuple(
                    np.empty((len(values), units), np.int32)
                    if site.argmax
                    else np.zeros((len(values), packed_bytes(units, len(site.above))), np.uint8)
                    for site, units in zip(self.sites, self._units(layout), strict=True)
                )
            )

        def take(layout: Layout, found: Found, inputs: list[int], codes: ActivationPatterns) -> None:
            for site, out in zip(self.sites, codes.at, strict=True):
                self._take(layout, site, found[self._tensor(site)], inputs, out)

        return self._runner.reduce(values, checked, begin, take)

    def _tensor(self, site: PatternSite) -> str:
        return self._places[site.name].indices if site.argmax else site.read

    def _units(self, layout: Layout) -> tuple[int, ...]:
        return tuple(layout.units(self._tensor(site)) for site in self.sites)

    def _count_in_channels(self, found: Found) -> None:
        """Counts places of the largest elements in their channels."""
        for indices, shape in self._shapes.items():
            found[indices] = channel_places(found[indices], prod(found.pop(shape).tolist()[2:]))

    def _take(
        self, layout: Layout, site: PatternSite, array: Array, inputs: list[int], out: NDArray[Any]
    ) -> None:
        """Turns what a run gave at a site into codes."""
        name = self._tensor(site)
        shares = layout.cut(name, array, len(inputs))
        if shares[0].size != layout.units(name):
            raise ModelError(
                f"{self.model.path}: {site.name!r} has {layout.units(name)} units for one point and {shares[0].size} "
                "for another, so their codes can't be compared; leave it out"
            )
        if site.argmax:
            out[inputs] = shares.reshape(len(inputs), -1)
            return
        rows = as_rows(shares)
        undefined = pack(rows, np.array(site.above, rows.dtype), np.array(inputs, np.int64), out)
        if undefined:
            raise ModelError(
                f"{self.model.path}: {site.name!r} is NaN for {undefined} units, which have no code; "
                "choose points nearer to real inputs"
            )
