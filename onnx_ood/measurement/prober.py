"""Running neighbourhoods through a model and reducing what the probes see."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import ArrayLike, NDArray

from onnx_ood.exceptions import ModelError, SelectorError, UsageError
from onnx_ood.graph import Model, Tensor, with_outputs
from onnx_ood.measurement.arguments import (
    FLOATS,
    Array,
    Feed,
    FloatArray,
    check_batch,
    check_nudges,
    check_others,
    find_site,
    fixed_rows,
)
from onnx_ood.measurement.layout import Layout, plan, rows_kept_apart
from onnx_ood.measurement.providers import resolve
from onnx_ood.measurement.result import Measurement, concatenate
from onnx_ood.measurement.rounding import rounding_nudges, storage_floor
from onnx_ood.measurement.session import Session
from onnx_ood.measurement.statistics import pair_statistics


class Prober:
    """A model made ready for measuring: instrumented, loaded on a provider, its probes known.

    Sessions are costly to create, so one prober serves any number of batches.

    Attributes:
        model: The model as loaded.
        probes: Names of the probes, in execution order.
        site: The graph input that is nudged.
        provider: `"cuda"` or `"cpu"`: where it really runs.
        provider_note: Why it is the CPU although CUDA was looked for, or empty.
        placement: Number of nodes that run on each execution provider of the runtime.
        skipped: Selected tensors that turned out not to be measurable, with the reason.
    """

    def __init__(
        self,
        model: Model,
        probes: Iterable[Tensor],
        *,
        site: str | None = None,
        provider: str = "auto",
        batch_size: int | None = None,
    ) -> None:
        """Instruments the model and creates its session.

        Args:
            model: The model.
            probes: Tensors to measure, as `select` gives them.
            site: Name of the graph input to nudge; None for the only input of floats.
            provider: `"auto"`, `"cuda"` or `"cpu"`.
            batch_size: Inputs in one run; None lets memory decide. A model with a fixed batch size keeps its own.

        Raises:
            UsageError: If the site, the provider or the batch size is wrong.
            SelectorError: If no probe can be measured.
            ModelError: If onnxruntime refuses the model.
            ProviderError: If the provider can't run here.
        """
        if batch_size is not None and batch_size < 1:
            raise UsageError(f"batch size must be at least 1, but is {batch_size}")
        self.model = model
        self.site = find_site(model, site)
        resolved = resolve(provider)
        self.provider, self.provider_note = resolved.provider, resolved.reason
        self._batch_size = batch_size
        asked = [tensor.name for tensor in probes]
        session = self._new_session(asked)
        self.placement = session.placement
        # Behind custom operators onnx can't infer types; the runtime has the last word.
        self._dtypes = session.dtypes
        self.skipped = {
            name: f"holds {self._dtypes[name]}, which can't be measured"
            for name in asked
            if self._dtypes[name] not in FLOATS
        }
        self.probes = tuple(name for name in asked if name not in self.skipped)
        if not self.probes:
            name, reason = next(iter(self.skipped.items()))
            raise SelectorError(f"none of the selected tensors can be measured; {name!r} {reason}")
        self._outputs = [name for name in model.outputs if session.is_tensor(name)]
        self._sessions = [session]
        self._layout: Layout | None = None

    @property
    def rows(self) -> int | None:
        """Inputs in one run, or None as long as nothing was run."""
        return self._layout.rows if self._layout else None

    @property
    def layout_note(self) -> str:
        """Why inputs are run one at a time, or empty."""
        return self._layout.note if self._layout else ""

    def measure(
        self, batch: ArrayLike, nudges: ArrayLike, others: Mapping[str, ArrayLike] | None = None
    ) -> Measurement:
        """Measures one batch.

        Args:
            batch: Values of the site, [N, *input].
            nudges: What is added, in the site's units: [K, *input], shared by all inputs, or [N, K, *input].
            others: Values of the other graph inputs by name: one for each input on the first axis, or, where
                the model's input has no batch axis, as it is.

        Returns:
            The pair statistics of every input, copy and probe.

        Raises:
            UsageError: If a shape doesn't fit, or an input is missing.
            ModelError: If a run fails.
        """
        clean = check_batch(batch, self.site)
        shifts = check_nudges(nudges, clean)
        feeds = check_others(others or {}, self.model, self.site, len(clean))
        if self._layout is None:
            self._layout = self._make_layout(clean, feeds)
        rows = self._layout.rows
        with ThreadPoolExecutor(max_workers=_cores()) as threads:
            return concatenate(
                [
                    self._measure_rows(slice(start, start + rows), clean, shifts, feeds, threads)
                    for start in range(0, len(clean), rows)
                ]
            )

    def noise_floor(
        self, batch: ArrayLike, others: Mapping[str, ArrayLike] | None = None, seed: int = 0
    ) -> NDArray[np.float64]:
        """Measures the drop that rounding alone makes at each probe.

        Args:
            batch: A few clean inputs, [N, *input].
            others: As in `measure`.
            seed: Seed of the rounding nudges.

        Returns:
            For each probe the largest drop that nudges of one unit in the last place left, float64 [P], and at
            least the drop of rounding each activation once to its dtype.
        """
        clean = check_batch(batch, self.site)
        drops = self.measure(clean, rounding_nudges(clean, seed), others).cosine_drop()
        measured = np.where(np.isfinite(drops), drops, 0.0).max(axis=(0, 1))
        stored = np.array([storage_floor(self._dtypes[name]) for name in self.probes])
        floor: NDArray[np.float64] = np.maximum(measured, stored)
        return floor

    def _new_session(self, probes: Sequence[str]) -> Session:
        return Session(with_outputs(self.model.proto, probes), self.model.path, self.provider)

    def _make_layout(self, clean: FloatArray, feeds: Mapping[str, Feed]) -> Layout:
        """Runs one input alone and beside another, to learn sizes and whether inputs stay apart."""
        names = [*self.probes, *self._outputs]
        fixed = fixed_rows(self.site)
        first = [0] * (fixed or 1)
        single = self._sessions[0].run(
            names, {self.site.name: clean[first], **{name: feed.at(first) for name, feed in feeds.items()}}
        )
        note = ""
        if fixed is not None:
            self._check_fixed(fixed, names, single)
        elif self._batch_size != 1:
            note = self._why_one_at_a_time(clean, feeds, names, single)
        sizes = {name: array.nbytes // len(first) for name, array in zip(self.probes, single, strict=False)}
        layout = plan(sizes, provider=self.provider, batch_size=self._batch_size, fixed=fixed, note=note)
        if len(layout.groups) > 1:
            self._sessions = [self._new_session(group) for group in layout.groups]
        return layout

    def _check_fixed(self, fixed: int, names: Sequence[str], arrays: Sequence[Array]) -> None:
        for name, array in zip(names, arrays, strict=True):
            if fixed > 1 and (array.ndim == 0 or array.shape[0] % fixed):
                raise ModelError(
                    f"{self.model.path}: the model takes batches of {fixed}, and {name!r} of shape "
                    f"{list(array.shape)} doesn't keep their inputs apart; choose other probes"
                )

    def _why_one_at_a_time(
        self, clean: FloatArray, feeds: Mapping[str, Feed], names: Sequence[str], single: Sequence[Array]
    ) -> str:
        # The neighbour is mirrored, so that it differs from the first input even if there is only one.
        pair = np.stack([clean[0], np.flip(clean[-1])])
        others = {name: feed.at([0, -1]) for name, feed in feeds.items()}
        try:
            double = self._sessions[0].run(names, {self.site.name: pair, **others})
        except ModelError:
            return "the model runs one input at a time only"
        apart = rows_kept_apart(single, double)
        if all(apart):
            return ""
        name = names[apart.index(False)]
        return f"one input at a time: {name!r} doesn't keep the inputs of a batch apart"

    def _measure_rows(
        self,
        chunk: slice,
        batch: FloatArray,
        shifts: FloatArray,
        others: Mapping[str, Feed],
        threads: ThreadPoolExecutor,
    ) -> Measurement:
        """Measures the inputs of one run."""
        assert self._layout is not None
        rows = self._layout.rows
        clean, shift = batch[chunk], shifts[chunk]
        count, copies, width = len(clean), shift.shape[1], len(self.probes)
        # A model with a fixed batch size gets its last run filled up with the last input.
        filler = list(range(count)) + [count - 1] * (rows - count if self._layout.fixed else 0)
        fed = {name: feed.at(chunk)[filler] if feed.batched else feed.value for name, feed in others.items()}

        floats = {field: np.empty((count, copies, width)) for field in ("aa", "ad", "dd")}
        counts = {field: np.empty((count, copies, width), dtype=np.int64) for field in ("flips", "active")}
        at_site = {field: np.empty((count, copies)) for field in ("aa", "ad", "dd")}
        size = np.empty(width, dtype=np.int64)
        outputs: dict[str, Array] = {}

        column = 0
        for session, group in zip(self._sessions, self._layout.groups, strict=True):
            own = [] if outputs else self._outputs
            arrays = session.run([*group, *own], {self.site.name: clean[filler], **fed})
            outputs.update(
                (name, _per_input(array, len(filler))[:count])
                for name, array in zip(own, arrays[len(group) :], strict=True)
            )
            before = [array.reshape(len(filler), -1)[:count] for array in arrays[: len(group)]]
            size[column : column + len(group)] = [array.shape[1] for array in before]
            for copy in range(copies):
                nudged = (clean + shift[:, copy]).astype(clean.dtype)
                site = pair_statistics(clean, nudged)
                for field, target in at_site.items():
                    target[:, copy] = getattr(site, field)
                after = session.run(group, {self.site.name: nudged[filler], **fed})
                tasks = [
                    threads.submit(pair_statistics, a, b.reshape(len(filler), -1)[:count])
                    for a, b in zip(before, after, strict=True)
                ]
                for probe, task in enumerate(tasks, start=column):
                    result = task.result()
                    for field, values in (*floats.items(), *counts.items()):
                        values[:, copy, probe] = getattr(result, field)
            column += len(group)
        return Measurement(
            probes=self.probes,
            site=self.site.name,
            provider=self.provider,
            size=size,
            outputs=outputs,
            site_aa=at_site["aa"],
            site_ad=at_site["ad"],
            site_dd=at_site["dd"],
            aa=floats["aa"],
            ad=floats["ad"],
            dd=floats["dd"],
            flips=counts["flips"],
            active=counts["active"],
        )


def _per_input(array: Array, rows: int) -> Array:
    """An output with one entry for each input on its first axis."""
    if rows == 1:
        return array if array.ndim and len(array) == 1 else array[np.newaxis]
    each = len(array) // rows
    return array if each == 1 else array.reshape(rows, each, *array.shape[1:])


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
