"""Transitions along the trajectories of a sensitivity audit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from onnx_ood.audits.sensitivity_settings import SensitivitySettings
from onnx_ood.audits.trajectory_choice import Chosen, choose_trajectories
from onnx_ood.graph import CodeSite, Model
from onnx_ood.inputs import Preprocessing
from onnx_ood.measurement import CodeReader, Transitions, count_transitions

# What a colour picture's channels are, where nobody says which axis they are on.
_CHANNELS = (1, 3)


@dataclass(frozen=True)
class Counted:
    """Trajectories and what was counted along them.

    Attributes:
        ways: The trajectories; none if there are no units, or none were asked for.
        transitions: Those along each.
        units: Number of units of each site; empty where nothing was read.
        note: Why points were run one at a time, or empty.
    """

    ways: tuple[Chosen, ...] = ()
    transitions: tuple[Transitions, ...] = ()
    units: tuple[int, ...] = ()
    note: str = ""


def count(
    model: Model,
    sites: Sequence[CodeSite],
    points: NDArray[Any],
    classes: Sequence[str | None],
    preprocessing: Preprocessing | None,
    settings: SensitivitySettings,
) -> Counted:
    """Counts transitions along trajectories of each kind that the inputs allow.

    Args:
        model: The model.
        sites: Its units.
        points: Inputs as the model takes them, [N, *input].
        classes: The class of each, None for those without.
        preprocessing: How pictures became tensors, if inputs are pictures.
        settings: The user's settings.

    Returns:
        The trajectories and their transitions.

    Raises:
        ModelError: If a run fails.
        ProviderError: If the provider can't run here.
    """
    if not sites or not settings.trajectories:
        return Counted()
    width = _width(points.shape[1:], preprocessing)
    ways = choose_trajectories(points, classes, width, settings.trajectories, settings.seed)
    if not ways:
        return Counted()
    reader = CodeReader(model, sites, provider=settings.provider, batch_size=settings.batch_size)
    counted = count_transitions(reader, [way.trajectory for way in ways], tolerance=settings.tolerance)
    return Counted(tuple(ways), tuple(counted), reader.units(), reader.layout_note)


def _width(shape: tuple[int, ...], preprocessing: Preprocessing | None) -> int | None:
    """The axis along which a picture is as wide as it is; None if inputs are no pictures."""
    if len(shape) != 3:
        return None
    if preprocessing is not None:
        return 2 if preprocessing.layout == "NCHW" else 1
    if shape[0] in _CHANNELS:
        return 2
    return 1 if shape[2] in _CHANNELS else None
