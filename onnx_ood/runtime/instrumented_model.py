"""A watched model on a provider: its sessions, which run one after the other, and what each of them gives."""

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

# A model of which no probe needs this share of the nodes is split for that alone: copies don't run them.
_MUCH = 0.1


class Stage(NamedTuple):
    """One part of the model, loaded.

    Attributes:
        session: Its session.
        takes: What it is fed, of what is known by then.
        probes: The probes that it gives.
        outputs: The model's own outputs that it gives.
        passed: What it gives and later parts take.
        later: What later parts take; all else can be forgotten behind it.
    """

    session: Session
    takes: tuple[str, ...]
    probes: tuple[str, ...]
    outputs: tuple[str, ...]
    passed: tuple[str, ...]
    later: frozenset[str]

    def run(self, values: dict[str, Array], *, outputs: bool) -> dict[str, Array]:
        """Runs the part.

        Args:
            values: What is known before it, and may be forgotten; afterwards what later parts take.
            outputs: True to fetch the model's own outputs too.

        Returns:
            Probes, and outputs if they are asked for, by name.

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
        links: The parts that give the probes, in the order in which they run.
        tail: What else has to run for the model's own outputs, None if nothing.
        outputs: The model's own outputs that links and tail give.
        probes: Names of the probes, in the order they were asked for.
        dtypes: Element type of each tensor that was asked for, by name.
        skipped: What was asked for and turned out not to be measurable, with the reason.
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
        """Rewrites the model and creates one session of it, of all probes.

        Args:
            model: The model.
            batch: The input that the batch feeds.
            site: The tensor that is nudged.
            probes: The tensors to measure.
            provider: Where to run.
            exact: True to run without fusions.
            tf32: True to let CUDA round products to TF32.
            in_order: True if the units of probes have to come in the order of the tensor.

        Raises:
            SelectorError: If no probe can be measured.
            UsageError: If the site can't be nudged.
            ModelError: If onnxruntime refuses the model.
        """
        # A tensor named twice is measured once.
        asked = {tensor.name: tensor for tensor in probes}
        if not asked:
            raise SelectorError("no probe is given: name at least one tensor")
        self._model, self._provider, self._exact, self._tf32 = model, provider, exact, tf32
        self._in_order = in_order
        self._own_site = site.name
        self.origin: Origin = (
            InputOrigin(model, site)
            if site.is_input
            else InnerOrigin(model, batch, site, list(asked), provider, exact=exact, tf32=tf32)
        )
        opened = self.origin.opened(list(asked))
        session = self._session(opened.proto, opened.carriers, model.outputs)
        # Behind custom operators onnx can't infer types, so the runtime has the last word; but what numpy can't hold
        # is handed out through a cast, of which the runtime knows only the result.
        self.dtypes = {
            name: "bfloat16" if tensor.dtype == "bfloat16" else session.dtypes[name]
            for name, tensor in asked.items()
        }
        self.skipped = {
            name: not_floating(model, name, session.element(name))
            for name, dtype in self.dtypes.items()
            if dtype not in {*FLOATS, "bfloat16"}
        }
        self.probes = tuple(name for name in asked if name not in self.skipped)
        self._check_probes()
        own = () if self.origin.outputs else model.outputs
        self.outputs = tuple(name for name in own if session.is_tensor(name))
        self.site = opened.site
        self.links = [Stage(session, _fed(opened.proto), self.probes, self.outputs, (), frozenset())]
        self.tail: Stage | None = None
        self._decided = False

    @property
    def placement(self) -> dict[str, int]:
        """Number of nodes that run on each execution provider of the runtime."""
        total: Counter[str] = Counter()
        for link in [*self.links, *([self.tail] if self.tail else [])]:
            total.update(link.session.placement)
        return dict(total)

    @property
    def fallback_nodes(self) -> tuple[str, ...]:
        """Names of added nodes that don't run on the provider."""
        links = [*self.links, *([self.tail] if self.tail else [])]
        return tuple(name for link in links for name in link.session.fallback_nodes)

    def skip(self, reasons: Mapping[str, str]) -> None:
        """Leaves probes out.

        Args:
            reasons: Why, by name of the probe.

        Raises:
            SelectorError: If none is left.
        """
        self.skipped |= reasons
        self.probes = tuple(name for name in self.probes if name not in reasons)
        self._check_probes()

    def split(self, sizes: Mapping[str, int], limit: int) -> None:
        """Splits the model, so that what one part hands out at its probes stays small; drops what no probe needs.

        What was decided once, stays: inputs of many sizes are no reason to look at the model again for each, unless a
        part has become much larger than it should be.

        Args:
            sizes: Bytes that one run takes at each probe.
            limit: How many bytes a part may have at its probes, if the model can be split there.
        """
        largest = max(sum(sizes[name] for name in link.probes if name in sizes) for link in self.links)
        if self._decided and largest <= 2 * limit:
            return
        self._decided = True
        opened = self.origin.opened(self.probes)
        splitter = Splitter(opened.proto, list(opened.carriers.values()), self._model.nested.types)
        at = {carrier: sizes[probe] for probe, carrier in opened.carriers.items()}
        places = _places({name: at[name] for name in splitter.wanted}, splitter.cuts(), limit)
        computed = {name for node in opened.proto.graph.node for name in node.output}
        if (not places and splitter.unneeded < _MUCH) or not computed.issuperset(self.outputs):
            return
        segments, rest = splitter.segments(places, self.outputs)
        carriers, ends_in_tail = opened.carriers, rest is not None
        parts = [*segments, *([rest] if rest else [])]
        # Sessions and models hold weights: the old ones go before the new ones come.
        self.links, self.tail = [], None
        del opened, splitter, segments, rest
        links = []
        while parts:
            part = parts.pop(0)
            later = frozenset(name for further in parts for name in further.takes)
            links.append(self._link(part, later, carriers))
        self.tail = links.pop() if ends_in_tail else None
        self.links = links

    def release(self) -> None:
        """Gives the sessions back; they are created anew when they are needed."""
        self.links, self.tail, self._decided = [], None, False

    def load(self) -> None:
        """Creates the session again if it was given back."""
        if not self.links:
            opened = self.origin.opened(self.probes)
            session = self._session(opened.proto, opened.carriers, self._model.outputs)
            self.links = [Stage(session, _fed(opened.proto), self.probes, self.outputs, (), frozenset())]

    def run_clean(self, values: Array, fed: Mapping[str, Array]) -> dict[str, Array]:
        """Every probe and output of one run without a nudge, and the site.

        Args:
            values: What the batch feeds.
            fed: What the other inputs of the model are fed.

        Raises:
            ModelError: If a run fails.
        """
        start = self.origin.start(values, fed)
        found: dict[str, Array] = {**start.outputs, self._own_site: start.site}
        known = self.known(start, start.site)
        for link in [*self.links, *([self.tail] if self.tail else [])]:
            found.update(link.run(known, outputs=True))
        return found

    def known(self, start: OriginRun, site: Array) -> dict[str, Array]:
        """What the first part is fed.

        Args:
            start: What is fed beside the site.
            site: The site's values, clean or nudged.
        """
        return {**start.fed, self.site: site}

    def _link(self, part: Segment, later: frozenset[str], carriers: Mapping[str, str]) -> Stage:
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
        """Creates a session of the model or of a part, of which some tensors are of use for more than statistics."""
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
    """Where to split: as late as the limit lets, of the later places there where the fewest tensors are handed over.

    Args:
        sizes: Bytes at each tensor that is handed out, in execution order.
        cuts: How many tensors are handed over behind each of those where the model can be split.
        limit: Bytes that a part may have.
    """
    chosen: list[str] = []
    waiting: dict[str, int] = {}  # Places since the last that was chosen, each with the bytes up to it.
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
