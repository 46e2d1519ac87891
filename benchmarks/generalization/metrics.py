"""Metrics of the study's networks, with one input of pictures and one output of logits.

All on the CPU: these networks are too small for anything else.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from onnx_ood import perturb as nudges
from onnx_ood import runtime as measurement
from onnx_ood.graph import find_units, load
from onnx_ood.metrics import softmax

Float = NDArray[np.float64]
Pictures = NDArray[np.float32]

# Share of the transitions of a trajectory that may be left to find: as `onnx-ood sensitivity` has it.
TOLERANCE = 0.005
# Parts of a segment that are looked at apart.
PARTS = 10


def jacobian_norms(model_path: Path, images: Pictures) -> Float:
    """Frobenius norm of the Jacobian of softmax at each picture.

    Along all directions: these networks run so fast that a few directions, with their sampling error, save little.

    Args:
        model_path: The network.
        images: Pictures, [N, channels, H, W].

    Returns:
        The norms, [N], per unit of the input.
    """
    return measurement.jacobian_norms(model_path, images, directions=images[0].size, provider="cpu").norm


def transition_densities(model_path: Path, images: Pictures) -> Float:
    """Transitions per unit of length along the ring of each picture's horizontal translations.

    Args:
        model_path: The network.
        images: Pictures, [N, channels, H, W].

    Returns:
        The densities, [N], of all units together.
    """
    counted = _count(model_path, [nudges.translations(image) for image in images])
    return np.array([found.total / found.length for found in counted])


def transition_profiles(model_path: Path, starts: Pictures, ends: Pictures) -> Float:
    """Transitions per unit of length along straight segments between pictures, by place on the segment.

    Args:
        model_path: The network.
        starts: Where each segment starts, [N, channels, H, W].
        ends: Where it ends, likewise.

    Returns:
        The densities in each tenth of each segment, [N, 10].
    """
    # Each tenth is a leg of the way, so that points are read at its ends.
    legs = [nudges.Path(np.linspace(start, end, PARTS + 1)) for start, end in zip(starts, ends, strict=True)]
    counted = _count(model_path, legs)
    bounds = np.linspace(0, 1, PARTS + 1)
    so_far = [np.interp(bounds, found.at, np.cumsum([0, *found.between])) for found in counted]
    lengths = np.array([found.length / PARTS for found in counted])
    return np.diff(so_far, axis=1) / lengths[:, np.newaxis]


def probabilities(model_path: Path, images: Pictures) -> Float:
    """Softmax of the logits, [N, C]."""
    session = onnxruntime.InferenceSession(model_path, providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {session.get_inputs()[0].name: images})
    return softmax(logits)


def _count(model_path: Path, trajectories: Sequence[nudges.Trajectory]) -> list[measurement.Transitions]:
    model = load(model_path)
    reader = measurement.PatternReader(model, find_units(model).sites, provider="cpu")
    counted = measurement.count_transitions(reader, trajectories, tolerance=TOLERANCE)
    if not all(found.converged for found in counted):
        raise RuntimeError(f"{model_path}: transitions were not counted to the tolerance of {TOLERANCE}")
    return counted
