"""The metrics of the study, for networks with one input of pictures and ReLU units.

Both are plain: every direction of the input for the Jacobian, evenly spaced points for transitions. Networks run in
onnxruntime, on one core, in float32.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

Float = NDArray[np.float64]
Pictures = NDArray[np.float32]

# Logits are piecewise linear: a larger step would cross more boundaries, a smaller one round more.
STEP = 2.0**-8
# Points between a picture and its translation by one pixel.
POINTS = 16
# Parts of a segment that are looked at apart, and the points of each.
PARTS = 10
POINTS_OF_PART = 32


def jacobian_norms(model_path: Path, images: Pictures) -> Float:
    """Frobenius norm of the Jacobian of softmax at each picture, by central differences along every pixel.

    Logits are what is differenced, and the softmax is differentiated by formula: where a network is sure, differences
    of probabilities would be lost in rounding.

    Args:
        model_path: The network; its first output is logits [N, C].
        images: Pictures, [N, channels, H, W].

    Returns:
        The norms, [N], per unit of the input.
    """
    session = _session(model_path)
    norms = np.empty(len(images))
    for index, image in enumerate(images):
        nudges = STEP * np.eye(image.size, dtype=np.float32).reshape(-1, *image.shape)
        above, below = (_run(session, points)[0] for points in (image + nudges, image - nudges))
        slopes = (above.astype(np.float64) - below).T / (2 * STEP)
        shares = _softmax(_run(session, image[np.newaxis])[0].astype(np.float64))[0]
        norms[index] = np.linalg.norm(shares[:, np.newaxis] * (slopes - shares @ slopes))
    return norms


def transition_densities(model_path: Path, images: Pictures) -> Float:
    """Transitions per unit of length along the ring of each picture's horizontal translations.

    The ring joins the picture, the picture shifted by one pixel, by two and so on until it is back, by straight
    segments; what leaves on one side comes in on the other. A transition is a ReLU unit that switches on or off between
    neighbouring points of the ring.

    Args:
        model_path: The network.
        images: Pictures, [N, channels, H, W].

    Returns:
        The densities, [N], of all units together.
    """
    session = _session(model_path, with_units=True)
    densities = np.empty(len(images))
    for index, image in enumerate(images):
        corners = np.stack([np.roll(image, shift, axis=-1) for shift in range(image.shape[-1])])
        following = np.roll(corners, -1, axis=0)
        length = np.sqrt(((following - corners).astype(np.float64) ** 2).sum(axis=(1, 2, 3))).sum()
        shares = (np.arange(POINTS, dtype=np.float32) / POINTS).reshape(-1, 1, 1, 1)
        points = (corners[:, np.newaxis] + shares * (following - corners)[:, np.newaxis]).reshape(
            -1, *image.shape
        )
        densities[index] = _transitions(session, np.concatenate([points, image[np.newaxis]])).sum() / length
    return densities


def transition_profiles(model_path: Path, starts: Pictures, ends: Pictures) -> Float:
    """Transitions per unit of length along straight segments between pictures, by place on the segment.

    Args:
        model_path: The network.
        starts: Where each segment starts, [N, channels, H, W].
        ends: Where it ends, likewise.

    Returns:
        The densities in each tenth of each segment, [N, 10].
    """
    session = _session(model_path, with_units=True)
    shares = np.linspace(0, 1, PARTS * POINTS_OF_PART + 1, dtype=np.float32).reshape(-1, 1, 1, 1)
    profiles = np.empty((len(starts), PARTS))
    for index, (start, end) in enumerate(zip(starts, ends, strict=True)):
        found = _transitions(session, start + shares * (end - start))
        profiles[index] = found.reshape(PARTS, -1).sum(axis=1) / (np.linalg.norm(end - start) / PARTS)
    return profiles


def probabilities(model_path: Path, images: Pictures) -> Float:
    """Softmax of the logits, [N, C]."""
    return _softmax(_run(_session(model_path), images)[0].astype(np.float64))


def _session(model_path: Path, *, with_units: bool = False) -> onnxruntime.InferenceSession:
    """Loads a network; `with_units` puts the outputs of its ReLUs behind its own."""
    model = onnx.load(model_path)
    if with_units:
        model.graph.output.extend(
            onnx.ValueInfoProto(name=node.output[0]) for node in model.graph.node if node.op_type == "Relu"
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])


def _run(session: onnxruntime.InferenceSession, points: Pictures) -> list[NDArray[np.float32]]:
    outputs: list[NDArray[np.float32]] = session.run(None, {session.get_inputs()[0].name: points})
    return outputs


def _transitions(session: onnxruntime.InferenceSession, points: Pictures) -> NDArray[np.int64]:
    """Units that switch between each point and the next, [N - 1]."""
    codes = [(values > 0).reshape(len(points), -1) for values in _run(session, points)[1:]]
    return np.asarray(np.sum([np.count_nonzero(code[1:] != code[:-1], axis=1) for code in codes], axis=0))


def _softmax(logits: Float) -> Float:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
