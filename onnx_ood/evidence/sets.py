"""In-distribution inputs and out-of-distribution sets: given ones, and synthetic ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, Literal

from onnx_ood._dialect import named
from onnx_ood._limits import MIN_SET_SIZE
from onnx_ood._progress import Phase
from onnx_ood._types import Progress
from onnx_ood.evidence.collect import Collected, Collector, Found, numbered
from onnx_ood.evidence.prepared_model import PreparedModel
from onnx_ood.exceptions import InputTypeError, NotEvaluatedError, UsageError
from onnx_ood.inputs import InputSource, open_inputs
from onnx_ood.perturb import find_corruption, list_corruptions


@dataclass(frozen=True)
class SetSources:
    """Inputs of an audit that compares sets.

    Attributes:
        id: In-distribution inputs.
        ood: Out-of-distribution sets by name.
    """

    id: InputSource
    ood: Mapping[str, InputSource]

    @property
    def all(self) -> InputSource:
        """The inputs of all sets."""
        return InputSource.joined([self.id, *self.ood.values()])


def open_sets(id_inputs: Any, ood: Any) -> SetSources:
    """Find in-distribution inputs and out-of-distribution sets.

    Args:
        id_inputs: In-distribution inputs, as `open_inputs` takes them.
        ood: Out-of-distribution sets: inputs by name, or the inputs of a single set, which is called `ood`; None for
            none.

    Returns:
        The sources.

    Raises:
        InputTypeError: If inputs are of other types.
        UsageError: If there are no inputs, or a set has none or no name.

    >>> sorted(open_sets("photos", "textures").ood)
    ['ood']
    """
    if ood is None:
        ood = {}
    elif not isinstance(ood, Mapping):
        ood = {"ood": ood}
    for name in ood:
        if not isinstance(name, str):
            raise InputTypeError(f"ood: found a set named {name!r} ({type(name).__name__}); name sets by str")
        if not name.strip():
            raise UsageError(f"{named('ood')}: found a set without a name; name it, as in textures")
    return SetSources(
        open_inputs(id_inputs, name="id").require("in-distribution inputs"),
        {
            name: open_inputs(inputs, name=f"ood[{name}]").require(f"inputs of {name}")
            for name, inputs in ood.items()
        },
    )


@dataclass(frozen=True)
class MeasuredSets(Generic[Found]):
    """Measured values of all sets.

    Attributes:
        id: In-distribution inputs.
        given: Given out-of-distribution sets by name.
        synthetic: Synthetic out-of-distribution sets by name.
        notes: Notes for the user.
    """

    id: Collected[Found]
    given: Mapping[str, Collected[Found]]
    synthetic: Mapping[str, Found]
    notes: tuple[str, ...]

    @property
    def ood(self) -> dict[str, Found]:
        """All out-of-distribution sets by name, given ones first."""
        return {**{name: one.values for name, one in self.given.items()}, **self.synthetic}

    @property
    def status(self) -> Literal["measured", "not_evaluated"]:
        """`"not_evaluated"` if a set has fewer than 10 inputs."""
        smallest = min(len(self.id.ids), *map(len, self.ood.values()))
        return "measured" if smallest >= MIN_SET_SIZE else "not_evaluated"


def check_sets(prepared: PreparedModel, sources: SetSources, *, synthetic: bool) -> None:
    """Refuse inputs without anything to compare with.

    Args:
        prepared: The model.
        sources: The inputs.
        synthetic: True to add synthetic sets.

    Raises:
        UsageError: If there is no out-of-distribution set and none can be made, or the model cannot take the inputs.
    """
    if not sources.ood and not (synthetic and prepared.preprocessing is not None):
        raise UsageError(
            f"no out-of-distribution set to compare with; name one ({named('ood')}), or give pictures"
        )
    prepared.check(sources.id)
    for source in sources.ood.values():
        prepared.check(source)


def collect_sets(
    collector: Collector[Found],
    prepared: PreparedModel,
    sources: SetSources,
    *,
    synthetic: bool,
    progress: Progress | None = None,
) -> MeasuredSets[Found]:
    """Measure all sets.

    Args:
        collector: Measures inputs.
        prepared: The model.
        sources: The inputs.
        synthetic: True to add synthetic sets: noise, and altered in-distribution pictures.
        progress: Called with the number of inputs of each set done and in all.

    Returns:
        Measured values. A synthetic set is left out with a note if a given set has its name or the model gives no
        finite values for it; of the others, only inputs with finite values are kept.

    Raises:
        NotEvaluatedError: If no in-distribution input, or no input of a given set, could be measured.
    """
    pictures = prepared.preprocessing is not None
    alterations = {}
    if synthetic and pictures:
        alterations = numbered({name: find_corruption(name).at("demo") for name in list_corruptions("demo")})
    usual = collector.collect(sources.id, alterations, progress, "in-distribution inputs")
    given = {
        name: collector.collect(source, progress=progress, phase=f"inputs of {name}")
        for name, source in sources.ood.items()
    }
    for what, found in {
        "in-distribution input": usual,
        **{f"input of {name}": one for name, one in given.items()},
    }.items():
        if not found.ids:
            reason = found.failed[0].reason if found.failed else "there are none"
            raise NotEvaluatedError(f"{prepared.model.path}: no {what} could be measured: {reason}")
    notes = usual.notes
    if synthetic and not pictures:
        notes += ("Inputs are not pictures, so no synthetic sets were made.",)
    if alterations:
        Phase(progress, "synthetic sets")
    made: dict[str, Found] = {}
    candidates = collector.measure_synthetic(len(usual.ids)) | usual.altered if alterations else {}
    for name, everything in candidates.items():
        finite = collector.finite_only(everything)
        if name in given:
            notes += (f"The set {name} is the given one; no synthetic set of that name was made.",)
        elif finite is None:
            notes += (f"The synthetic set {name} is left out: the model gives NaN or infinity for it.",)
        else:
            made[name] = finite
    return MeasuredSets(usual, given, made, notes)
