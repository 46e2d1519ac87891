"""Measurements: derived numbers by their definitions, and joined runs."""

from __future__ import annotations

import numpy as np

import onnx_ood
from onnx_ood import models
from onnx_ood.runtime.measurement import Measurement, RunStatistics, assemble, join_outputs
from onnx_ood.runtime.statistics import PairStatistics

RNG = np.random.default_rng(0)
CLEAN = RNG.standard_normal((3, 1, 2, 50))
NUDGED = CLEAN + 0.3 * RNG.standard_normal((3, 4, 2, 50))


def statistics(clean: np.ndarray, nudged: np.ndarray) -> PairStatistics:
    difference = nudged - clean
    return PairStatistics(
        np.broadcast_to((clean**2).sum(-1), difference.shape[:-1]),
        (clean * difference).sum(-1),
        (difference**2).sum(-1),
        ((clean > 0) != (nudged > 0)).sum(-1),
        np.broadcast_to((clean > 0).sum(-1), difference.shape[:-1]),
    )


def measurement() -> Measurement:
    """Three inputs in two runs, of which the last is filled up by its input."""
    at_site = statistics(CLEAN[:, :, :1, :7], NUDGED[:, :, :1, :7])
    at_probes = statistics(CLEAN, NUDGED)
    runs = [
        RunStatistics(
            PairStatistics(*(field[rows] for field in at_site)),
            PairStatistics(*(field[rows] for field in at_probes)),
            {"y": np.array(rows, np.float32).reshape(-1, 1, 1)},
        )
        for rows in ([0, 1], [2, 2])
    ]
    return assemble(runs, 3, probes=("p", "q"), size=[50, 50], site="x", provider="cpu")


def angles(clean: np.ndarray, nudged: np.ndarray) -> np.ndarray:
    cosine = (clean * nudged).sum(-1) / np.linalg.norm(clean, axis=-1) / np.linalg.norm(nudged, axis=-1)
    return np.arccos(cosine)


def test_derived_numbers_are_those_of_the_vectors() -> None:
    found = measurement()
    angle, at_site = angles(CLEAN, NUDGED), angles(CLEAN[..., 0, :7], NUDGED[..., 0, :7])
    np.testing.assert_allclose(found.cosine_drop(), 1 - np.cos(angle), rtol=1e-10)
    np.testing.assert_allclose(found.angle(), angle, rtol=1e-7)
    np.testing.assert_allclose(found.site_angle(), at_site, rtol=1e-7)
    np.testing.assert_allclose(found.distortion(), angle / at_site[..., np.newaxis], rtol=1e-7)
    np.testing.assert_allclose(found.flip_rate(), ((CLEAN > 0) != (NUDGED > 0)).mean(-1), rtol=1e-12)


def test_what_fills_up_the_last_run_is_left_out() -> None:
    found = measurement()
    assert found.aa.shape == (3, 4, 2)
    np.testing.assert_array_equal(found.outputs["y"][:, 0], [0, 1, 2])


def test_outputs_of_different_shapes_stay_apart() -> None:
    ragged = join_outputs([np.zeros((2, 3)), np.ones((1, 3))])
    assert ragged.dtype == object
    assert [sample.shape for sample in ragged] == [(2, 3), (1, 3)]
    # Several rows that belong to an input are stacked; a single row is the batch axis.
    assert join_outputs([np.zeros((2, 3)), np.zeros((2, 3))]).shape == (2, 2, 3)
    assert join_outputs([np.zeros(()), np.ones(())]).tolist() == [0, 1]


def test_the_representation_has_sizes_in_place_of_arrays() -> None:
    batch = np.zeros((3, 1, 28, 28), np.float32)
    nudges = np.full((2, 1, 28, 28), 0.1, np.float32)
    measured = onnx_ood.measure(
        models.path("fashion_cnn"), batch, nudges=nudges, probes="op:Relu[0]", provider="cpu"
    )
    assert repr(measured) == (
        f"Measurement(inputs=3, copies=2, probes=1, site={measured.site!r}, provider='cpu')"
    )
