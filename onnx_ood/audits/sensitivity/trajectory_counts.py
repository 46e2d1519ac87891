"""Transitions along the trajectories of a sensitivity audit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from onnx_ood.audits.sensitivity.measured_inputs import MeasuredInputs
from onnx_ood.audits.sensitivity.settings import SensitivitySettings
from onnx_ood.audits.sensitivity.trajectory_choice import Chosen, choose_trajectories
from onnx_ood.evidence.feeding import Feeding
from onnx_ood.graph import PatternSite, reached_from
from onnx_ood.inputs import Preprocessing
from onnx_ood.runtime import PatternReader, Prober, Transitions, count_transitions

# What a colour picture's channels are, where nobody says which axis they are on.
_CHANNELS = (1, 3)


@dataclass(frozen=True)
class Counted:
    """Trajectories and what was counted along them.

    Attributes:
        ways: The trajectories; none if there are no units, or none were asked for.
        transitions: Those along each.
        units: Number of units of each site; empty where nothing was read.
        note: Why there are none, or why points were run one at a time, or empty.
    """

    ways: tuple[Chosen, ...] = ()
    transitions: tuple[Transitions, ...] = ()
    units: tuple[int, ...] = ()
    note: str = ""


def count(
    sites: Sequence[PatternSite],
    inputs: MeasuredInputs,
    classes: Sequence[str | None],
    preprocessing: Preprocessing | None,
    feeding: Feeding,
    prober: Prober,
    settings: SensitivitySettings,
) -> Counted:
    """Count transitions along trajectories of each type that the inputs allow.

    Args:
        sites: The model's units behind the site.
        inputs: The inputs.
        classes: The class of each of which a trajectory may be made, None for those without.
        preprocessing: How pictures became tensors, if inputs are pictures.
        feeding: Gives what the model's other inputs take.
        prober: Knows the model and the site.
        settings: The user's settings.

    Returns:
        The trajectories and their transitions; none, with a note, if the site has its inputs on another axis than the
        first, or if other tensors that the model reads differ between inputs, since points between inputs have
        no values for them.

    Raises:
        ModelError: If a run fails.
        ProviderError: If the provider can't run here.
    """
    if not sites or not settings.trajectories or inputs.first is None:
        return Counted()
    points, site = np.stack(inputs.points), prober.site
    if not prober.site_has_batch_axis:
        return Counted(
            note=f"Trajectories were left out: the inputs don't lie along the first axis of {site.name}."
        )
    width = _width(points.shape[1:], preprocessing) if site.is_input else None
    ways = choose_trajectories(points, classes, width, settings.trajectories, settings.seed)
    if not ways:
        return Counted()
    reader = PatternReader(
        prober.model,
        sites,
        site=site.name,
        provider=settings.provider,
        batch_size=settings.batch_size,
        batch_axis=prober.input.choice,
    )
    differs = _differs(reader, feeding)
    if differs:
        return Counted(
            note=f"Trajectories were left out: the model also reads tensors that differ between inputs, "
            f"so points between inputs have no values for them: {', '.join(differs)}."
        )
    # Other inputs are equal for all points; an inner site also takes sizes from the fed input.
    beside = inputs.first.take(np.zeros(len(ways), np.int64))
    others = feeding.others(beside)
    if not site.is_input:
        others[prober.input.name] = beside.tensors
    counted = count_transitions(
        reader, [way.trajectory for way in ways], others, tolerance=settings.tolerance
    )
    return Counted(tuple(ways), tuple(counted), reader.units(), reader.batching_note)


def _differs(reader: PatternReader, feeding: Feeding) -> list[str]:
    """List tensors read in addition to the site that differ between inputs."""
    each = [one.name for one in feeding.from_files or ()]
    if reader.site.is_input:
        return each
    each.append(feeding.fed.name)
    reached = frozenset(each).union(*(reached_from(reader.model.proto, name) for name in each))
    # A name that the model doesn't know is one in a function, of which nothing is known.
    return sorted(name for name in reader.passing if name in reached or name not in reader.model.by_name)


def _width(shape: tuple[int, ...], preprocessing: Preprocessing | None) -> int | None:
    """Find the axis of a picture's width; None if inputs are not pictures."""
    if len(shape) != 3:
        return None
    if preprocessing is not None:
        return 2 if preprocessing.layout == "NCHW" else 1
    if shape[0] in _CHANNELS:
        return 2
    return 1 if shape[2] in _CHANNELS else None
