"""An instrumented model on a provider: its stages, each a session, run one after the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from onnx import ModelProto

from onnx_ood._types import Array
from onnx_ood.exceptions import SelectorError
from onnx_ood.graph import Model, Segment, Splitter, Tensor, not_floating
from onnx_ood.runtime.arguments import FLOATS
from onnx_ood.runtime.origin import InnerOrigin, InputOrigin, Origin, OriginRun
from onnx_ood.runtime.providers import Provider
from onnx_ood.runtime.session import Session

# A model is split for nodes that no probe needs, which copies then don't run, if they are at least this fraction.
_MIN_UNNEEDED_FRACTION = 0.1


class Stage(NamedTuple):
    """One part of the model, loaded.

    Attributes:
        session: Its session.
        takes: Tensors that it is fed.
        probes: Probes that it computes.
        outputs: The model's own outputs that it computes.
        passed: Tensors that it computes and later stages are fed.
        later: Tensors that later stages are fed; all others can be freed after it.
    """

    session: Session
    takes: tuple[str, ...]
    probes: tuple[str, ...]
    outputs: tuple[str, ...]
    passed: tuple[str, ...]
    later: frozenset[str]

    def run(self, values: dict[str, Array], *, outputs: bool) -> dict[str, Array]:
        """Run the stage.

        Args:
            values: Tensors by name, of which some are fed; afterwards those that later stages are fed.
            outputs: True to fetch the model's own outputs too.

        Returns:
            Probes, and outputs if requested, by name.

        Raises:
            ModelError: If the run fails.
        """
        names = list(dict.fromkeys([*self.probes, *(self.outputs if outputs else ()), *self.passed]))
        found = dict(zip(names, self.session.run(names, {n: values[n] for n in self.takes}), strict=True))
        kept = {name: value for name, value in values.items() if name in self.later}
        values.clear()
        values.update(kept)
        values.update((name, found[name]) for name in self.passed)
        return {name: value for name, value in found.items() if name in self.probes or name in self.outputs}


class InstrumentedModel:
    """A model with its probes marked and its site open to nudges, loaded on a provider.

    Attributes:
        origin: Where nudges are added.
        site: The input that takes the site's values.
        stages: The stages that compute the probes, in the order in which they run.
        remainder: The stage that computes the rest of the model's own outputs, or None.
        outputs: The model's own outputs that stages and remainder compute.
        probes: Names of the probes, in the order requested.
        dtypes: Element type of each requested tensor, by name.
        skipped: Requested tensors that turned out not to be measurable, with the reason.
    """

    def __init__(
        self,
        model: Model,
        batch: Tensor,
        site: Tensor,
        probes: Iterable[Tensor],
        provider: Provider,
        *,
        exact: bool,
        tf32: bool,
        in_order: bool,
    ) -> None:
        """Rewrite the model and create one session of it, with all probes.

        Args:
            model: The model.
            batch: The input that the batch feeds.
            site: The tensor that is nudged.
            probes: The tensors to measure.
            provider: Where to run.
            exact: True to run without fusions.
            tf32: True to let CUDA round products to TF32.
            in_order: True if the units of probes must keep the order of the tensor.

        Raises:
            SelectorError: If no probe can be measured.
            UsageError: If the site can't be nudged.
            ModelError: If onnxruntime refuses the model.
        """
        # A tensor named twice is measured once.
        requested = {tensor.name: tensor for tensor in probes}
        if not requested:
            raise SelectorError("no probes are selected; select at least one tensor")
        self._model, self._provider, self._exact, self._tf32 = model, provider, exact, tf32
        self._in_order = in_order
        self._site_name = site.name
        self.origin: Origin = (
            InputOrigin(model, site)
            if site.is_input
            else InnerOrigin(model, batch, site, list(requested), provider, exact=exact, tf32=tf32)
        )
        opened = self.origin.opened(list(requested))
        session = self._session(opened.proto, opened.carriers, model.outputs)
        # The runtime decides, because onnx can't infer types behind custom operators. But types that numpy lacks leave
        # the model through a cast, and the runtime knows only its result.
        self.dtypes = {
            name: "bfloat16" if tensor.dtype == "bfloat16" else session.dtypes[name]
            for name, tensor in requested.items()
        }
        self.skipped = {
            name: not_floating(model, name, session.element(name))
            for name, dtype in self.dtypes.items()
            if dtype not in {*FLOATS, "bfloat16"}
        }
        self.probes = tuple(name for name in requested if name not in self.skipped)
        self._check_probes()
        own = () if self.origin.outputs else model.outputs
        self.outputs = tuple(name for name in own if session.is_tensor(name))
        self.site = opened.site
        self.stages = [Stage(session, _fed(opened.proto), self.probes, self.outputs, (), frozenset())]
        self.remainder: Stage | None = None
        self._decided = False

    @property
    def placement(self) -> dict[str, int]:
        """Number of nodes that run on each execution provider of the runtime."""
        total: Counter[str] = Counter()
        for stage in [*self.stages, *([self.remainder] if self.remainder else [])]:
            total.update(stage.session.placement)
        return dict(total)

    @property
    def fallback_nodes(self) -> tuple[str, ...]:
        """Names of added nodes that don't run on the provider."""
        stages = [*self.stages, *([self.remainder] if self.remainder else [])]
        return tuple(name for stage in stages for name in stage.session.fallback_nodes)

    def skip(self, reasons: Mapping[str, str]) -> None:
        """Leave probes out.

        Args:
            reasons: The reason by name of the probe.

        Raises:
            SelectorError: If no probe is left.
        """
        self.skipped |= reasons
        self.probes = tuple(name for name in self.probes if name not in reasons)
        self._check_probes()

    def split(self, sizes: Mapping[str, int], limit: int) -> None:
        """Split the model into stages with small probes, and separate nodes that no probe needs.

        A decision is kept: inputs of many sizes don't cause a new one each, unless a stage has become much larger than
        its limit.

        Args:
            sizes: Bytes of one run at each probe.
            limit: Bytes of one stage at its probes, where the model can be split so.
        """
        largest = max(sum(sizes[name] for name in stage.probes if name in sizes) for stage in self.stages)
        if self._decided and largest <= 2 * limit:
            return
        self._decided = True
        opened = self.origin.opened(self.probes)
        splitter = Splitter(opened.proto, list(opened.carriers.values()), self._model.nested.types)
        at = {carrier: sizes[probe] for probe, carrier in opened.carriers.items()}
        places = _places({name: at[name] for name in splitter.wanted}, splitter.cuts(), limit)
        computed = {name for node in opened.proto.graph.node for name in node.output}
        if (not places and splitter.unneeded < _MIN_UNNEEDED_FRACTION) or not computed.issuperset(
            self.outputs
        ):
            return
        segments, rest = splitter.segments(places, self.outputs)
        carriers, has_remainder = opened.carriers, rest is not None
        parts = [*segments, *([rest] if rest else [])]
        # Sessions and models hold weights: free the old ones before creating new ones.
        self.stages, self.remainder = [], None
        del opened, splitter, segments, rest
        stages = []
        while parts:
            part = parts.pop(0)
            later = frozenset(name for further in parts for name in further.takes)
            stages.append(self._stage(part, later, carriers))
        self.remainder = stages.pop() if has_remainder else None
        self.stages = stages

    def release(self) -> None:
        """Free the sessions; `load` creates them again."""
        self.stages, self.remainder, self._decided = [], None, False

    def load(self) -> None:
        """Create the session again if it was freed."""
        if not self.stages:
            opened = self.origin.opened(self.probes)
            session = self._session(opened.proto, opened.carriers, self._model.outputs)
            self.stages = [Stage(session, _fed(opened.proto), self.probes, self.outputs, (), frozenset())]

    def run_clean(self, values: Array, fed: Mapping[str, Array]) -> dict[str, Array]:
        """Run the model without nudges.

        Args:
            values: Values of the batch's input.
            fed: Values of the model's other inputs.

        Returns:
            Every probe and output, and the site, by name.

        Raises:
            ModelError: If a run fails.
        """
        start = self.origin.start(values, fed)
        found: dict[str, Array] = {**start.outputs, self._site_name: start.site}
        known = self.known(start, start.site)
        for stage in [*self.stages, *([self.remainder] if self.remainder else [])]:
            found.update(stage.run(known, outputs=True))
        return found

    def known(self, start: OriginRun, site: Array) -> dict[str, Array]:
        """Join what the first stage is fed.

        Args:
            start: What is fed with the site.
            site: The site's values, clean or nudged.
        """
        return {**start.fed, self.site: site}

    def _stage(self, part: Segment, later: frozenset[str], carriers: Mapping[str, str]) -> Stage:
        own = {probe: carrier for probe, carrier in carriers.items() if carrier in part.gives}
        return Stage(
            session=self._session(part.proto, own, {*self._model.outputs, *later}),
            takes=part.takes,
            probes=tuple(name for name in self.probes if name in own),
            outputs=tuple(name for name in self.outputs if name in part.gives),
            passed=tuple(name for name in part.gives if name in later),
            later=later,
        )

    def _session(self, proto: ModelProto, carriers: Mapping[str, str], ordered: Collection[str]) -> Session:
        """Create a session of the model or a stage.

        Args:
            proto: The model or a part of it.
            carriers: The output that carries each probe.
            ordered: Outputs that are used for more than statistics, so that their units keep their order.
        """
        return Session(
            proto,
            self._model.path,
            self._provider,
            exact=self._exact,
            tf32=self._tf32,
            carriers=carriers,
            unordered=()
            if self._in_order
            else {carrier for carrier in carriers.values() if carrier not in ordered},
        )

    def _check_probes(self) -> None:
        if not self.probes:
            name, reason = next(iter(self.skipped.items()))
            raise SelectorError(f"none of the selected tensors can be measured; {name!r} {reason}")


def _fed(proto: ModelProto) -> tuple[str, ...]:
    stored = {tensor.name for tensor in proto.graph.initializer}
    return tuple(value.name for value in proto.graph.input if value.name not in stored)


def _places(sizes: Mapping[str, int], cuts: Mapping[str, int], limit: int) -> list[str]:
    """Choose where to split: as late as the limit allows, where stages pass on the fewest tensors.

    Args:
        sizes: Bytes of each probe, in execution order.
        cuts: For each probe after which the model can be split, the number of tensors passed on there.
        limit: Bytes of one stage.
    """
    chosen: list[str] = []
    waiting: dict[str, int] = {}  # Places since the last choice, with the bytes up to each.
    kept = 0
    for name, size in sizes.items():
        if waiting and kept + size > limit:
            late = [place for place, before in waiting.items() if before >= limit / 2] or list(waiting)
            place = min(reversed(late), key=lambda place: cuts[place])
            chosen.append(place)
            before = waiting[place]
            kept -= before
            waiting = {other: bytes_ - before for other, bytes_ in waiting.items() if bytes_ > before}
        kept += size
        if name in cuts:
            waiting[name] = kept
    return chosen
