"""From measurements to a part of the result: means, profiles and notes."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from onnx_ood.audits.sensitivity import building
from onnx_ood.audits.sensitivity.trajectory_choice import Chosen
from onnx_ood.audits.sensitivity.trajectory_counts import Counted
from onnx_ood.perturb.trajectories import segment
from onnx_ood.runtime import Transitions


def way(kind: str, total: int) -> tuple[Chosen, Transitions]:
    """A straight line of length 4, with all transitions in its second quarter."""
    line = segment(np.zeros(2), np.array([4.0, 0.0]))
    at = np.array([0.0, 0.25, 0.5, 1.0])
    found = Transitions(
        counts=np.array([total - 1, 1]),
        at=at,
        between=np.array([0, total, 0]),
        length=4.0,
        remainder=0.0,
        converged=total < 9,
        uniform=(),
    )
    return Chosen(kind, (0, 2, 1), line), found


def counted(*ways: tuple[Chosen, Transitions]) -> Counted:
    return Counted(tuple(one for one, _ in ways), tuple(found for _, found in ways), (5, 3))


def test_types_have_means_of_transitions_and_density() -> None:
    found = building._kinds(counted(way("random", 4), way("random", 8), way("same_class", 12)))
    assert [one.type for one in found] == ["random", "same_class"]
    assert (found[0].transitions.mean, found[0].density.mean, found[0].converged) == (6.0, 1.5, 2)
    assert (found[1].transitions.mean, found[1].density.mean, found[1].converged) == (12.0, 3.0, 0)
    assert building._density(found) == pytest.approx((1.5 + 3.0) / 2)
    assert building._density([]) is None


def test_inputs_without_a_norm_are_not_counted() -> None:
    found = building._estimate(np.array([1.0, np.nan, 3.0]))
    assert (found.count, found.mean) == (2, 2.0)


def test_a_profile_is_transitions_per_length() -> None:
    chosen, transitions = way("random", 8)
    result = building._trajectory(chosen, transitions, ["a", "b", "c"])
    assert result.inputs == ("a", "c", "b")
    # 8 transitions in a quarter of 4, evenly between the samples.
    expected = np.where((np.arange(40) >= 10) & (np.arange(40) < 20), 8.0, 0.0)
    np.testing.assert_allclose(result.profile, expected, atol=1e-9)


def test_sites_have_the_density_of_each_type() -> None:
    sites = [
        SimpleNamespace(name="r", op="Relu", exact="linear"),
        SimpleNamespace(name="s", op="Elu", exact="sign"),
    ]
    first, second = building._sites(sites, counted(way("random", 5), way("random", 9), way("same_class", 3)))
    assert (first.units, first.density) == (5, {"random": pytest.approx((1 + 2) / 2), "same_class": 0.5})
    assert second.density == {"random": 0.25, "same_class": 0.25}
    assert building._sites(sites, Counted()) == ()


def test_what_a_reader_should_know_is_noted() -> None:
    def notes(*exact: str, ids: int = 3, count: Counted | None = None) -> str:
        measured = SimpleNamespace(
            units=SimpleNamespace(sites=[SimpleNamespace(exact=one) for one in exact]),
            inputs=SimpleNamespace(ids=list(range(ids)), kept=[0, 1, 2]),
            classes=SimpleNamespace(note="1 of 3 inputs has no class"),
            counted=count or Counted(),
        )
        return " ".join(building._notes(measured))

    assert notes("linear", "linear") == ""
    assert "1 of 2 activation functions are smooth" in notes("linear", "sign")
    assert "1 of 1 activation functions have pieces that are not all linear" in notes("pattern")
    assert "the first 3 inputs of one shape" in notes("linear", ids=5)
    told = notes("linear", count=counted(way("random", 4), way("random", 20)))
    assert "1 of 2 trajectories have not converged" in told
    assert "has no class" in told


def test_values_that_are_not_finite_are_left_out_of_means() -> None:
    one = building._estimate(np.array([1.0, np.nan]))
    assert (one.mean, one.low, one.high) == (1.0, None, None)
    assert building._estimate(np.array([np.nan])).mean is None
