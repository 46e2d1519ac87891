"""The sessions of a watched model: which probes each gives, and how they are run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from onnx_ood.exceptions import SelectorError
from onnx_ood.graph import Model, Tensor, not_floating
from onnx_ood.measurement.arguments import FLOATS, Array
from onnx_ood.measurement.origin import InnerOrigin, InputOrigin, Origin, Start
from onnx_ood.measurement.providers import Provider
from onnx_ood.measurement.session import Session


class Group(NamedTuple):
    """A session, and what is fetched from it; there are several where one run would keep too much.

    Attributes:
        session: The session.
        site: The input that takes the site's values.
        probes: The probes that it gives.
        outputs: The model's own outputs that it gives.
    """

    session: Session
    site: str
    probes: tuple[str, ...]
    outputs: tuple[str, ...]

    def run(self, names: Sequence[str], start: Start, site: Array) -> list[Array]:
        """Runs the session once.

        Args:
            names: What to fetch.
            start: What is fed beside the site.
            site: The site's values, clean or nudged.

        Raises:
            ModelError: If the run fails.
        """
        return self.session.run(names, {self.site: site, **start.fed})


class Watched:
    """A model with its probes marked and its site open to nudges, loaded on a provider.

    Attributes:
        origin: Where nudges are added.
        groups: The sessions.
        probes: Names of the probes, in the order they were asked for.
        dtypes: Element type of each tensor that was asked for, by name.
        skipped: What was asked for and turned out not to be measurable, with the reason.
        placement: Number of nodes that run on each execution provider of the runtime.
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
    ) -> None:
        """Rewrites the model and creates the first session, of all probes.

        Args:
            model: The model.
            batch: The input that the batch feeds.
            site: The tensor that is nudged.
            probes: The tensors to measure.
            provider: Where to run.
            exact: True to run without fusions.

        Raises:
            SelectorError: If no probe can be measured.
            UsageError: If the site can't be nudged.
            ModelError: If onnxruntime refuses the model.
        """
        # A tensor named twice is measured once.
        asked = {tensor.name: tensor for tensor in probes}
        if not asked:
            raise SelectorError("no probe is given: name at least one tensor")
        self.origin: Origin = (
            InputOrigin(model, site, provider, exact=exact)
            if site.is_input
            else InnerOrigin(model, batch, site, list(asked), provider, exact=exact)
        )
        self._site = site.name
        session, entry = self.origin.session(list(asked))
        self.placement = session.placement
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
        outputs = tuple(name for name in own if session.is_tensor(name))
        self.groups = [Group(session, entry, self.probes, outputs)]

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

    def regroup(self, split: Iterable[Sequence[str]]) -> None:
        """Makes a session for each group of probes; the first also gives the model's outputs.

        Args:
            split: The groups. What is skipped is left out of them.
        """
        kept = [tuple(name for name in probes if name not in self.skipped) for probes in split]
        kept = [probes for probes in kept if probes]
        if kept != [group.probes for group in self.groups]:
            outputs = self.groups[0].outputs
            self.groups = [
                Group(*self.origin.session(probes), probes, () if i else outputs)
                for i, probes in enumerate(kept)
            ]

    def run_clean(self, values: Array, fed: Mapping[str, Array]) -> dict[str, Array]:
        """Every probe and output of one run without a nudge, and an inner site.

        Args:
            values: What the batch feeds.
            fed: What the other inputs of the model are fed.

        Raises:
            ModelError: If a run fails.
        """
        start = self.origin.start(values, fed)
        found: dict[str, Array] = {**start.outputs, self._site: start.site}
        for group in self.groups:
            names = list(dict.fromkeys([*group.probes, *group.outputs]))
            found.update(zip(names, group.run(names, start, start.site), strict=True))
        return found

    def _check_probes(self) -> None:
        if not self.probes:
            name, reason = next(iter(self.skipped.items()))
            raise SelectorError(f"none of the selected tensors can be measured; {name!r} {reason}")
